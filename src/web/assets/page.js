// The page's script: fills the moving parts, notices when they stop moving, and sends what people ask.
// It decides nothing: states come from the station alone.

import { live } from "./live.js";
import { stopOpen, stopState } from "./stop.js";

const STALE_MS = 20_000;
const LOST_MS = 3_000;
const PROBE_MS = 5_000;
const FORM_MS = 5 * 60_000;
const DRAW_MS = 400;
const USED_MS = 2_000;
const $ = (query, root = document) => root.querySelector(query);
const all = (query, root = document) => [...root.querySelectorAll(query)];
const root = document.body.dataset.root;
const home = root || "./";

let facts = {};
let heard = Date.now();
let losing;
let probed = 0;

// --- live ----------------------------------------------------------------------------------------------------

const isStale = () => document.body.classList.contains("stale");

function alive() {
  heard = Date.now();
  clearTimeout(losing);
  losing = undefined;
  if (!isStale()) return;
  document.body.classList.remove("stale");
  $("#stale").hidden = true;
  $("#live").textContent = "live";
}

// The stream broke: it may be back at once, or the station is gone.
function lost() {
  losing ??= setTimeout(async () => {
    if (!(await stopState())) stale();
  }, LOST_MS);
}

function stale() {
  if (!isStale()) {
    document.body.classList.add("stale");
    $("#live").textContent = "not live";
    clearTicks("The connection was lost. Look again.");
    gate();
  }
  probe();
}

// Whether the stop works is asked, not assumed.
async function probe() {
  if (Date.now() - probed < PROBE_MS) return;
  probed = Date.now();
  const state = await stopState();
  if (!isStale()) return;
  const stop = !state
    ? "The station does not answer: emergency stop does not work here. Use the switch at the printer."
    : state.heard
      ? "Emergency stop still works."
      : "The printer link does not answer: emergency stop does not work here. Use the switch at the printer.";
  const text = `Not live since ${new Date(heard).toLocaleTimeString()}. What you see may be old. ${stop}`;
  if ($("#stale").textContent !== text) $("#stale").textContent = text;
  $("#stale").hidden = false;
}

function age() {
  if (Date.now() - heard > STALE_MS || isStale()) stale();
}

// Whoever acts sees at once what comes of it. A tab that nobody uses draws a little later, and what came meanwhile in
// one: twelve of them that draw together held up the stop of the one in use. Its answer goes before any drawing.
let used = Infinity; // what comes first is drawn at once
let unseen; // what came and was not drawn
let drawing;
for (const by of ["pointerdown", "keydown", "click"]) {
  addEventListener(by, () => (used = performance.now()), { capture: true, passive: true });
}

function show(page) {
  alive();
  unseen = { ...page, parts: { ...unseen?.parts, ...page.parts } };
  if (performance.now() - used < USED_MS) draw();
  else drawing ??= setTimeout(draw, DRAW_MS);
}

function draw() {
  clearTimeout(drawing);
  drawing = stopOpen() ? setTimeout(draw, DRAW_MS) : undefined;
  if (drawing || !unseen) return;
  const page = unseen;
  unseen = undefined;
  used = Math.min(used, performance.now());
  document.title = page.title;
  facts = page.facts;
  for (const [name, html] of Object.entries(page.parts)) {
    const place = $(`[data-part="${name}"]`);
    // Made and escaped by the station.
    if (!place) continue;
    place.innerHTML = html;
    times(place);
  }
  watchPictures();
  toggle();
}

// --- times: one clock, the reader's --------------------------------------------------------------------------

const CLOCK = { hour: "2-digit", minute: "2-digit" };

function times(place = document) {
  for (const time of all("time[datetime]", place)) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    const today = at.toDateString() === new Date().toDateString();
    const day = today ? {} : { year: "numeric", month: "2-digit", day: "2-digit" };
    // The zone is said where the station's is another: people there read another clock.
    const [, sign, hours, minutes] = time.dateTime.match(/([+-])(\d\d):(\d\d)$/) ?? [];
    const zone = sign && -at.getTimezoneOffset() !== Number(`${sign}1`) * (60 * hours + +minutes);
    time.textContent = at.toLocaleString([], { ...day, ...CLOCK, ...(zone && { timeZoneName: "short" }) });
  }
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
    if (!printing) close();
  }
  asks();
  tune();
  const setup = $("#setup");
  if (setup) setup.hidden = !facts.setup;
  const update = $("#update");
  if (update) update.hidden = !facts.image;
  const recover = $("#recover");
  if (recover) recover.hidden = facts.printer !== "halted";
  const bed = $("#bed");
  if (bed) bed.hidden = !facts.on_bed;
  const job = facts.job;
  if (!job) return;
  // Another state has other forms. Nothing typed is lost: it would no longer be true.
  if (document.body.dataset.state && document.body.dataset.state !== job.state) location.reload();
  document.body.dataset.state = job.state;
  // So has an offer to go on.
  const offer = String(job.reentry ?? 0);
  if ((document.body.dataset.reentry ?? offer) !== offer) location.reload();
  document.body.dataset.reentry = offer;
  const form = $("#release");
  if (form && job.sha256 !== form.dataset.sha256) location.reload();
  gate();
}

// --- asking --------------------------------------------------------------------------------------------------

const DEADLINE_S = 15;
const TRIES = 3;

// An act's own name: where the answer is lost it is asked again by the same name, and done once.
const actId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

const send = (path, body) =>
  fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(1000 * (DEADLINE_S + 10)),
  });

async function post(path, act) {
  const body = { ...act, id: actId(), deadline_s: DEADLINE_S };
  const end = Date.now() + 1000 * DEADLINE_S;
  let response;
  for (let tries = 1; !response; tries += 1) {
    try {
      response = await send(path, body);
    } catch {
      if (tries === TRIES || Date.now() > end) {
        throw new Error("The station does not answer; whether it was done is not known. Look at the case before you try again.");
      }
      await new Promise((done) => setTimeout(done, 500 * tries));
    }
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const error = answer.error ?? { text: "The station does not answer.", do: "Look at the case before you try again." };
  throw new Error(`${error.text} ${error.do}`);
}

function say(form, text, good = false) {
  const place = $(".answer", form);
  place.textContent = text;
  place.classList.toggle("good", good);
}

const who = (form) => ({ operator: form.elements.operator.value, pin: form.elements.pin.value });

// What was measured and seen of a part whose print was cut off.
function reenter(form) {
  if (!("reenter" in form.dataset)) return {};
  const { height_mm, nozzle, part_holds } = form.elements;
  return {
    from_layer: Number(form.dataset.layer),
    height_mm: Number(height_mm.value),
    part_holds: part_holds.checked,
    ...(nozzle && { nozzle: nozzle.value }),
  };
}

async function act(button) {
  const form = button.closest("form");
  const word = button.dataset.act;
  const code = form.matches("[data-case-acts]") ? facts.job?.code : facts.printing?.code;
  if (!code || !form.reportValidity()) return;
  button.disabled = true;
  say(form, "Asked\u2026", true);
  try {
    const reason = form.elements.reason && { reason: form.elements.reason.value };
    await post(`${root}api/v1/jobs/${code}/${word}`, { ...who(form), ...reason, ...reenter(form) });
    say(form, "");
    if (word === "cancel") close();
  } catch (error) {
    say(form, error.message);
  }
  form.elements.pin.value = "";
  button.disabled = false;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.act) act(button);
  if (button.dataset.open) open($(`#${button.dataset.open}`), button);
  if ("close" in button.dataset) close();
  if ("identity" in button.dataset) identify(button);
  if (button.dataset.printer) printer(button);
});

// --- dialogs -------------------------------------------------------------------------------------------------

// Not modal in the browser's sense: that would make the emergency stop inert. All but the dialog and the stop is.
let opener;

function open(dialog, by) {
  opener = by;
  say(dialog, "");
  for (const place of all("body > header, main, footer, .skip")) place.inert = true;
  document.body.classList.add("asking");
  dialog.show();
  $(".keep", dialog).focus();
}

function close() {
  const dialog = $("dialog[open]");
  if (!dialog) return;
  dialog.close();
  document.body.classList.remove("asking");
  for (const place of all("[inert]")) place.inert = false;
  const pin = $('[name="pin"]', dialog);
  if (pin) pin.value = "";
  opener?.focus();
}

document.addEventListener("keydown", (event) => event.key === "Escape" && close());

// --- release -------------------------------------------------------------------------------------------------

const form = $("#release");
let touched = Date.now();

function clearTicks(text) {
  if (!form) return;
  all('input[type="checkbox"], input[type="radio"]', form).forEach((e) => (e.checked = false));
  for (const pin of all('input[type="password"]', form)) pin.value = "";
  all(".identity").forEach((list) => list.replaceChildren());
  all(".identity").forEach((list) => (list.hidden = true));
  if ($(".answer", form)) say(form, text);
}

// Front, top, and every hole.
const loaded = () =>
  ["front", "top", "fit"].every((name) => {
    const shown = all(`.pictures img[src*="preview-${name}"]`);
    return shown.length > 0 && shown.every((img) => img.complete && img.naturalWidth > 0);
  });

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
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = $(".print-now", form);
    button.disabled = true;
    const { operator, pin, second, second_pin, spool, side } = form.elements;
    try {
      await post(`${root}api/v1/jobs/${form.dataset.code}/release`, {
        operator: operator.value,
        pin: pin.value,
        sha256: form.dataset.sha256,
        spool: spool.value,
        side: side.value,
        bed_clear: form.elements.bed_clear?.checked ?? false,
        part_holds: form.elements.part_holds?.checked ?? false,
        other_material: form.elements.other_material.checked,
        ...(second?.value && { second: { operator: second.value, pin: second_pin.value } }),
      });
      location.href = home;
    } catch (error) {
      say(form, error.message);
      pin.value = "";
      if (second_pin) second_pin.value = "";
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

// What the printer asks: drawn anew only when it asks something else, so that nobody's typing is lost.
function asks() {
  const form = $("#asks");
  if (!form) return;
  form.hidden = !facts.asks;
  const asked = JSON.stringify(facts.asks ?? null);
  if (form.dataset.asked === asked) return;
  form.dataset.asked = asked;
  say(form, "");
  $(".question", form).textContent = facts.asks?.text ?? "";
  const choices = facts.asks?.choices.length ? facts.asks.choices : ["Go on"];
  $(".choices", form).replaceChildren(
    ...(facts.asks ? choices : []).map((words, choice) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.dataset.printer = "answer";
      button.dataset.choice = choice;
      return button;
    }),
  );
}

// What is in force of a print's tuning: filled in anew only when that changes, so that nobody's typing is lost.
function tune() {
  const place = $("#tune");
  if (!place) return;
  const tuning = facts.tuning;
  place.hidden = !tuning;
  const inForce = JSON.stringify(tuning ?? null);
  if (place.dataset.inForce === inForce) return;
  place.dataset.inForce = inForce;
  for (const field of all('input[type="number"]', place)) {
    const [least, most] = tuning?.bounds[field.name] ?? [0, 0];
    field.min = least;
    field.max = most;
    field.value = tuning?.[field.name] ?? "";
    field.disabled = least === most;
  }
}

// What differs from what is in force.
function tuned(form) {
  const fields = all('input[type="number"]', form).filter((field) => !field.disabled);
  const other = fields.filter((field) => Number(field.value) !== facts.tuning?.[field.name]);
  return Object.fromEntries(other.map((field) => [field.name, Number(field.value)]));
}

// Acts on the printer itself: recover, bed-clear, answer, tune.
async function printer(button) {
  const form = button.closest("form");
  if (!form.reportValidity()) return;
  button.disabled = true;
  say(form, "Asked\u2026", true);
  const answer = button.dataset.choice && { question: facts.asks?.text ?? "", choice: Number(button.dataset.choice) };
  const changed = button.dataset.printer === "tune" && tuned(form);
  await post(`${root}api/v1/printer/${button.dataset.printer}`, { ...who(form), ...answer, ...changed }).then(
    () => say(form, ""),
    (error) => say(form, error.message),
  );
  form.elements.pin.value = "";
  button.disabled = false;
}

// The first supervisor, on the word of the code that the display shows. It has no id: a second one is refused by itself.
$("#setup")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const { code, name, pin, again } = form.elements;
  if (pin.value !== again.value) return say(form, "The two PINs are not the same.");
  const button = $("button", form);
  button.disabled = true;
  say(form, "Asked\u2026", true);
  try {
    const response = await send(`${root}api/v1/setup`, { code: code.value, name: name.value, pin: pin.value });
    const { error } = await response.json();
    say(form, error ? `${error.text} ${error.do}` : "Done. You may release now.", !error);
    if (!error) form.reset();
  } catch {
    say(form, "The station does not answer. Look whether the form is still here, then try again.");
  }
  pin.value = again.value = "";
  button.disabled = false;
});

// A bundle: first who hands it in, then the file itself.
$("#update form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = $("button", form);
  button.disabled = true;
  say(form, "Sending\u2026 Leave this page open.", true);
  try {
    const { ticket } = await post(`${root}api/v1/update`, who(form));
    const response = await fetch(`${root}api/v1/update/bundle?ticket=${ticket}`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: form.elements.bundle.files[0],
    });
    const { error } = await response.json();
    say(form, error ? `${error.text} ${error.do}` : "The station has it. What becomes of it stands above.", !error);
  } catch (error) {
    say(form, error instanceof TypeError ? "The upload broke off. Send it again." : error.message);
  }
  form.elements.pin.value = "";
  button.disabled = false;
});

async function identify(button) {
  const form = button.closest("form");
  const fields = [form.elements.operator, form.elements.pin];
  if (!fields.every((field) => field.reportValidity())) return;
  say(form, "");
  try {
    const answer = await post(`${root}api/v1/jobs/${facts.job.code}/identity`, who(form));
    showIdentity($(".identity", form), answer.identity);
  } catch (error) {
    say(form, error.message);
  }
  // At a release the PIN is needed once more.
  if (form.id !== "release") form.elements.pin.value = "";
}

function showIdentity(list, identity) {
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
  request.open("POST", `${root}api/v1/drop`);
  request.send(new FormData(upload));
});

times();
watchPictures();
setInterval(age, 1000);
live(document.body.dataset.page, root, show, lost);
