// What every script shares: the browser, the desk behind the page, and checks that say what they saw.
const { chromium } = require("playwright-core");
const readline = require("node:readline");

const [url, ...rest] = process.argv.slice(2);
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the played desk for something: a state, stalled clients, its end. */
async function desk(order) {
  console.log(`do ${order}`);
  return (await answers.next()).value;
}

let failed = 0;
function check(holds, text) {
  if (!holds) failed += 1;
  console.log(`${holds ? "ok" : "NOT"} ${text}`);
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits until `look` is true. The patience is for a machine whose cores are all busy with other tests. */
async function until(look, text, ms = 30_000) {
  const end = Date.now() + ms;
  let seen;
  while (Date.now() < end) {
    seen = await look().catch(() => undefined);
    if (seen) break;
    await pause(25);
  }
  check(Boolean(seen), text);
  return seen;
}

async function browse(work) {
  const browser = await chromium.launch({
    executablePath: process.env.CALVARIA_CHROMIUM ?? "/usr/bin/chromium",
    // Chromium's own sandbox does not start as root.
    args: ["--disable-gpu", "--disable-dev-shm-usage", ...(process.getuid() === 0 ? ["--no-sandbox"] : [])],
  });
  try {
    await work(browser);
  } catch (error) {
    check(false, String(error.stack ?? error));
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
}

const answer = (page) => page.$eval("#stop-answer", (e) => e.textContent);
const confirmed = (page, text) => until(async () => (await answer(page)).includes("confirmed it"), text);

module.exports = { url, rest, desk, check, until, pause, browse, answer, confirmed };
