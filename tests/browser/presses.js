// How long from the click to the answer, beside 20 stalled downloads, 40 uploads, 1,000 connections, all six of the
// browser's connections to the page taken, and every core loaded; from one tab, and from twelve whose dialogs are open.
const { url, rest, desk, check, until, browse } = require("./lib.js");

// How fast is a question to a machine that does nothing else: the figure is asked for by name, as `benches/RESULTS.md`
// tells. Beside other tests every press has to be sent and answered.
const BAR_MS = Number(process.env.CALVARIA_STOP_BAR_MS ?? Infinity);
// A press that has no answer by then goes the second way as well (`OTHER_MS` of the page's stop.js; less what a timer
// may be early): it may come twice.
const OTHER_MS = 245;

// In the page: presses, and waits until the text says that it was sent.
function measure() {
  return new Promise((done) => {
    const place = document.querySelector("#stop-answer");
    const begun = performance.now();
    const seen = new MutationObserver(() => {
      if (!/Stop sent|Stopped/.test(place.textContent)) return;
      seen.disconnect();
      done(performance.now() - begun);
    });
    seen.observe(place, { childList: true, characterData: true, subtree: true });
    document.querySelector("#stop-button").click();
    setTimeout(() => (seen.disconnect(), done(Infinity)), 15_000);
  });
}

/** The print runs, this tab is in front, and its cancel dialog is open. */
async function ask(page) {
  await page.waitForTimeout(150); // the stop before this one is confirmed by then
  await desk("state printing");
  await page.bringToFront();
  const open = () => page.isVisible("dialog[open]");
  const asked = async () => {
    if (await open()) return true;
    await page.evaluate(() => {
      const button = document.querySelector("[data-open=cancel]");
      if (button.checkVisibility()) button.click(); // the tab learns of the print over its stream
    });
    return open();
  };
  // Beside a thousand connections a tab may have lost its stream: it has to say so, and its Stop works all the same.
  const stale = () => page.evaluate(() => document.body.classList.contains("stale"));
  const ready = async () => (await asked()) || (await stale());
  if (await until(ready, "the dialog is open, or the tab says that it is not live")) return;
  const seen = () => [document.title, ...["#live", "#stale", "#stop-answer"].map((q) => document.querySelector(q)?.textContent)];
  console.log(`the page shows: ${(await page.evaluate(seen)).join(" | ")}`);
}

/** Presses in each of `tabs` in turn. */
async function presses(tabs, count, text) {
  const times = [];
  const before = Number(await desk("stops"));
  for (let n = 0; n < count; n += 1) {
    const page = tabs[n % tabs.length];
    if (tabs.length > 1) await ask(page);
    times.push(await page.evaluate(measure));
    await page.waitForTimeout(5);
  }
  times.sort((a, b) => a - b);
  const at = (q) => times[Math.min(times.length - 1, Math.ceil(q * times.length) - 1)].toFixed(1);
  console.log(`${text}: ${count} presses, p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms`);
  check(times.every(Number.isFinite), `${text}: all answered`);
  const sent = Number(await desk("stops")) - before;
  const twice = times.filter((ms) => ms >= OTHER_MS).length;
  check(sent >= count && sent <= count + twice, `${text}: all sent (${sent}), each once but ${twice} slow ones`);
  if (Number.isFinite(BAR_MS)) check(Number(at(0.99)) < BAR_MS, `${text}: p99 below ${BAR_MS} ms`);
}

browse(async (browser) => {
  const count = Number(rest[0]);
  await desk("state printing");
  const context = await browser.newContext();
  const tabs = [];
  for (let n = 0; n < 12; n += 1) {
    const tab = await context.newPage();
    await tab.goto(`${url}/`);
    tabs.push(tab);
  }
  const page = tabs[0];
  await presses([page], count / 4, "alone");
  await desk("downloads 20");
  await desk("uploads 40");
  await presses([page], count / 4, "20 downloads, 40 uploads");
  await desk("connections 1000");
  await desk("load");
  await presses(tabs, count, "beside 1,000 connections, cores loaded, from twelve tabs, each with its dialog open");
  await page.evaluate(() => {
    // Never read: they hold the browser's connections to the page.
    globalThis.held = Array.from({ length: 12 }, () => fetch("api/v1/jobs/K7-2043/files/missing.nii.gz"));
  });
  await presses([page], count, "beside 1,000 connections, the browser's own taken, cores loaded");
  await desk("release");
});
