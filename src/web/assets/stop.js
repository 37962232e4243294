// The emergency stop. It goes to a listener of its own: a browser has six connections to a host *and port*, and
// downloads, uploads and open pages may hold all six of the page's. Without an answer at once it goes to the page's
// own address as well; a stop that comes twice is one.

const OTHER_MS = 250; // patience with the first way
const SLOW_MS = 1_000; // then it says where the switch is
const GIVE_UP_MS = 6_000;
const LOOK_MS = 200;
const CONFIRM_MS = 10_000;
const SWITCH = "Use the switch at the printer.";

const root = document.body.dataset.root;
const port = document.body.dataset.stop;
// It speaks TLS where the page itself does; behind a proxy with TLS its port is out of reach.
const reachable = location.protocol === "http:" || "tls" in document.body.dataset;
const direct = port && reachable ? [`${location.protocol}//${location.hostname}:${port}/`] : [];
const ways = [...direct, root];

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

async function ask(way, path, method, ms) {
  const response = await fetch(`${way}api/v1/printer/${path}`, {
    method,
    keepalive: method === "POST",
    credentials: "omit",
    cache: "no-store",
    signal: AbortSignal.timeout(ms),
  });
  const answer = await response.json();
  if (response.ok) return answer;
  throw Object.assign(new Error(`${answer.error.text} ${answer.error.do}`), { told: true });
}

// The first way that answers; the next begins when the one before has failed or is slow.
async function first(path, method, ms) {
  const errors = [];
  const tries = [];
  for (const way of ways) {
    const attempt = ask(way, path, method, ms).catch((error) => {
      errors.push(error);
      throw error;
    });
    tries.push(attempt);
    const done = await Promise.race([attempt.then(() => true, () => false), wait(OTHER_MS)]);
    if (done === true) return attempt;
  }
  try {
    return await Promise.any(tries);
  } catch {
    throw errors.find((error) => error.told) ?? errors[0];
  }
}

/** What became of the last stop and whether one would be heard, or `null`: the station does not answer. */
export const stopState = () => first("stop", "GET", 2_000).catch(() => null);

const place = document.querySelector("#stop-answer");
let press = 0;
let answered = 0;

/** A stop was sent and has no answer yet. */
export const stopOpen = () => answered < press;

function say(text, kind = "") {
  place.textContent = text;
  place.className = kind;
}

async function stop() {
  const mine = ++press;
  const told = (text, kind) => mine === press && say(text, kind);
  told("Stop: sending\u2026");
  const slow = setTimeout(told, SLOW_MS, `No answer yet. ${SWITCH}`, "bad");
  try {
    await first("emergency-stop", "POST", GIVE_UP_MS);
  } catch (error) {
    return told(
      error.told ? `The stop was NOT taken. ${error.message}` : `The stop was NOT taken: the station does not answer. ${SWITCH}`,
      "bad",
    );
  } finally {
    clearTimeout(slow);
    answered = Math.max(answered, mine);
  }
  told("Stop sent. Not yet confirmed by the printer.");
  const until = Date.now() + CONFIRM_MS;
  while (mine === press && Date.now() < until) {
    const state = await stopState();
    if (state?.stop === "confirmed") return told("Stopped. The printer confirmed it: everything is off.");
    if (state?.stop === "not_confirmed") break;
    await wait(LOOK_MS);
  }
  told(`Stop sent, but the printer did not confirm it. ${SWITCH}`, "bad");
}

document.querySelector("#stop").addEventListener("submit", (event) => {
  event.preventDefault();
  stop();
});
