// The page's only script: fills the moving parts, notices when they stop moving, and sends what people ask.
// It decides nothing: states come from the station alone.

const STALE_MS = 20_000;
const FORM_MS = 5 * 60_000;
const STOP_MS = 1_000;
const $ = (query, root = document) => root.querySelector(query);
const all = (query, root = document) => [...root.querySelectorAll(query)];

let facts = {};
let heard = Date.now();
let retry = 2000;
let source;

// --- live ----------------------------------------------------------------------------------------------------

function connect() {
  source = new EventSource(document.body.dataset.live);
  source.addEventListener("page", (event) => {
    retry = 2000;
    alive();
    show(JSON.parse(event.data));
  });
  source.onerror = () => {
    // A status other than 200 closes it for good: open a new one, ever more slowly.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(connect, retry);
    retry = Math.min(retry * 2, 30_000);
  };
}

function alive() {
  heard = Date.now();
  if (!document.body.classList.contains("stale")) return;
  document.body.classList.remove("stale");
  $("#stale").hidden = true;
  $("#live").textContent = "live";
}

function age() {
  if (Date.now() - heard < STALE_MS || document.body.classList.contains("stale")) return;
  document.body.classList.add("stale");
  const since = new Date(heard).toLocaleTimeString();
  $("#stale").textContent = `Not live since ${since}. What you see may be old. Emergency stop still works.`;
  $("#stale").hidden = false;
  $("#live").textContent = "not live";
  clearTicks("The connection was lost. Look again.");
  gate();
}

function show(page) {
  document.title = page.title;
  facts = page.facts;
  for (const [name, html] of Object.entries(page.parts)) {
    const place = $(`[data-part="${name}"]`);
    // Made and escaped by the station.
    if (place) place.innerHTML = html;
  }
  watchPictures();
  toggle();
}

// Forms stand still while parts move; here they appear and go.
function toggle() {
  const printing = facts.printing;
  const acts = $("#print-acts");
  if (acts) {
    acts.hidden = !printing;
    $('[data-act="pause"]', acts).hidden = printing?.state !== "printing";
    $('[data-act="resume"]', acts).hidden = printing?.state !== "paused";
    for (const [key, value] of Object.entries(printing ?? {})) {
      all(`[data-fill="${key}"]`).forEach((e) => (e.textContent = value));
    }
    if (!printing && $("#cancel").open) $("#cancel").close();
  }
  const recover = $("#recover");
  if (recover) recover.hidden = facts.printer !== "halted";
  const job = facts.job;
  if (!job) return;
  // Another state has other forms. Nothing typed is lost: it would no longer be true.
  if (document.body.dataset.state && document.body.dataset.state !== job.state) location.reload();
  document.body.dataset.state = job.state;
  const form = $("#release");
  if (form && job.sha256 !== form.dataset.sha256) location.reload();
  gate();
}

// --- asking --------------------------------------------------------------------------------------------------

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const error = answer.error ?? { text: "The station does not answer.", do: "Try again; tell IT if it stays." };
  throw new Error(`${error.text} ${error.do}`);
}

function say(form, text, good = false) {
  const place = $(".answer", form);
  place.textContent = text;
  place.classList.toggle("good", good);
}

const who = (form) => ({ operator: form.elements.operator.value, pin: form.elements.pin.value });

async function act(button) {
  const form = button.closest("form");
  const word = button.dataset.act;
  const code = form.matches("[data-case-acts]") ? facts.job?.code : facts.printing?.code;
  if (!code || !form.reportValidity()) return;
  button.disabled = true;
  say(form, "Asked\u2026", true);
  try {
    await post(`/api/v1/jobs/${code}/${word}`, who(form));
    say(form, "");
    if (word === "cancel" && $("#cancel")?.open) $("#cancel").close();
  } catch (error) {
    say(form, error.message);
  }
  form.elements.pin.value = "";
  button.disabled = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.act) act(button);
  if (button.dataset.open) {
    say($("#cancel"), "");
    $("#cancel").showModal();
    $("#cancel .keep").focus();
  }
  if ("recover" in button.dataset && $("#recover").reportValidity()) {
    const form = $("#recover");
    await post("/api/v1/printer/recover", who(form)).then(() => say(form, ""), (e) => say(form, e.message));
    form.elements.pin.value = "";
  }
});

// --- emergency stop ------------------------------------------------------------------------------------------

$("#stop").addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = $("#stop-answer");
  const slow = setTimeout(() => (place.textContent = "No answer. Use the switch at the printer."), STOP_MS);
  try {
    await post("/api/v1/printer/emergency-stop", {});
    place.textContent = "Stop sent. The top of the first page says when the printer has confirmed it.";
  } catch (error) {
    place.textContent = error.message.includes("switch") ? error.message : "No answer. Use the switch at the printer.";
  }
  clearTimeout(slow);
  setTimeout(() => (place.textContent = ""), 15_000);
});

// --- release -------------------------------------------------------------------------------------------------

const form = $("#release");
let touched = Date.now();

function clearTicks(text) {
  if (!form) return;
  all('input[type="checkbox"], input[type="radio"]', form).forEach((e) => (e.checked = false));
  form.elements.pin && (form.elements.pin.value = "");
  $("#identity")?.setAttribute("hidden", "");
  if ($(".answer", form)) say(form, text);
}

function pictures() {
  return ["front", "top", "fit"].map((name) => $(`img[src*="preview-${name}.png"]`));
}

const loaded = () => pictures().every((img) => img?.complete && img.naturalWidth > 0);

function watchPictures() {
  all(".pictures img").forEach((img) => img.addEventListener("load", gate, { once: true }));
  gate();
}

// The button is there when everything is looked at and filled in; the station checks all of it again.
function gate() {
  const button = form && $(".print-now", form);
  if (!button) return;
  const seen = loaded();
  $("#loaded").textContent = seen
    ? "Front, top and fit are shown above."
    : "Front, top and fit must be shown above before you can release.";
  button.disabled = !(seen && form.checkValidity() && !document.body.classList.contains("stale"));
}

if (form && form.elements.pin) {
  form.addEventListener("input", () => {
    touched = Date.now();
    gate();
  });
  $("#show-identity").addEventListener("click", async () => {
    say(form, "");
    try {
      const answer = await post(`/api/v1/jobs/${form.dataset.code}/identity`, who(form));
      showIdentity(answer.identity);
    } catch (error) {
      say(form, error.message);
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = $(".print-now", form);
    button.disabled = true;
    const { operator, pin, spool, side } = form.elements;
    try {
      await post(`/api/v1/jobs/${form.dataset.code}/release`, {
        operator: operator.value,
        pin: pin.value,
        sha256: form.dataset.sha256,
        spool: spool.value,
        side: side.value,
        bed_clear: form.elements.bed_clear.checked,
      });
      location.href = "/";
    } catch (error) {
      say(form, error.message);
      pin.value = "";
      gate();
    }
  });
  // Looked at five minutes ago is not looked at; a minute before, it says so.
  setInterval(() => {
    const idle = Date.now() - touched;
    if (idle > FORM_MS) {
      clearTicks("Five minutes have passed. Look again.");
      touched = Date.now();
      gate();
    } else if (idle > FORM_MS - 60_000 && form.checkValidity()) {
      say(form, "In a minute the ticks are cleared.", true);
    }
  }, 5000);
}

function showIdentity(identity) {
  const list = $("#identity");
  list.replaceChildren();
  const rows = Object.entries(identity ?? { "": "Nothing is kept here. Compare the code with the hospital's list." });
  for (const [key, value] of rows) {
    if (value === null || value === "") continue;
    const name = document.createElement("dt");
    const text = document.createElement("dd");
    name.textContent = key.replaceAll("_", " ");
    text.textContent = typeof value === "object" ? JSON.stringify(value) : value;
    list.append(name, text);
  }
  list.hidden = false;
}

// --- uploads -------------------------------------------------------------------------------------------------

const upload = $("#upload");
upload?.addEventListener("submit", (event) => {
  event.preventDefault();
  const bar = $("progress", upload);
  const request = new XMLHttpRequest();
  request.upload.onprogress = (e) => (bar.value = (100 * e.loaded) / e.total);
  request.onloadend = () => {
    bar.hidden = true;
    const good = request.status === 200;
    let text = "It is in the drop folder; the case appears in a moment.";
    if (!good) {
      try {
        const { error } = JSON.parse(request.responseText);
        text = `${error.text} ${error.do}`;
      } catch {
        text = "The upload broke off. Send it again.";
      }
    } else upload.reset();
    say(upload, text, good);
  };
  bar.hidden = false;
  request.open("POST", "/api/v1/drop");
  request.send(new FormData(upload));
});

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && source?.readyState === EventSource.CLOSED) connect();
});
watchPictures();
setInterval(age, 1000);
connect();
