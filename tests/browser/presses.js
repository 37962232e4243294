// How long from the click to the answer, beside 20 stalled downloads, 40 uploads, 1,000 connections, all six of the
// browser's connections to the page taken, and every core loaded.
const { url, rest, desk, check, browse } = require("./lib.js");

const BAR_MS = Number(process.env.CALVARIA_STOP_BAR_MS ?? 500);

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
    setTimeout(() => (seen.disconnect(), done(Infinity)), 8000);
  });
}

async function presses(page, count, text) {
  const times = [];
  const before = Number(await desk("stops"));
  for (let n = 0; n < count; n += 1) {
    times.push(await page.evaluate(measure));
    await page.waitForTimeout(5);
  }
  times.sort((a, b) => a - b);
  const at = (q) => times[Math.min(times.length - 1, Math.ceil(q * times.length) - 1)].toFixed(1);
  console.log(`${text}: ${count} presses, p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms`);
  check(times.every(Number.isFinite), `${text}: all answered`);
  check(Number(await desk("stops")) - before === count, `${text}: all sent, each once`);
  check(Number(at(0.99)) < BAR_MS, `${text}: p99 below ${BAR_MS} ms`);
}

browse(async (browser) => {
  const count = Number(rest[0]);
  const page = await browser.newPage();
  await page.goto(`${url}/`);
  await presses(page, count / 4, "alone");
  await desk("downloads 20");
  await desk("uploads 40");
  await presses(page, count / 4, "20 downloads, 40 uploads");
  await page.evaluate(() => {
    // Never read: they hold the browser's connections to the page.
    globalThis.held = Array.from({ length: 12 }, () => fetch("api/v1/jobs/K7-2043/files/missing.nii.gz"));
  });
  await desk("connections 1000");
  await desk("load");
  await presses(page, count, "beside 1,000 connections, the browser's own taken, cores loaded");
  await desk("release");
});
