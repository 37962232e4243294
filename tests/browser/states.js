// Every state, on both pages, light and dark, from 320 to 1600 px: no sideways scroll, nothing under Stop, nothing that
// axe finds.
const fs = require("node:fs");
const { url, desk, check, browse } = require("./lib.js");

const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [320, 800, 1280, 1600];
const AXE_AT = [320, 1280]; // the others change no colour and no element

// What a keyboard or a finger reaches, and Stop would take instead.
function underStop() {
  const hidden = [];
  for (const element of document.querySelectorAll("main :is(a, button, input, select, summary)")) {
    if (!element.checkVisibility({ visibilityProperty: true }) || element.closest("[inert]")) continue;
    element.scrollIntoView({ block: "nearest" });
    const box = element.getBoundingClientRect();
    const y = box.top + box.height / 2;
    for (const x of [box.left + 2, box.left + box.width / 2, box.right - 2]) {
      if (document.elementFromPoint(x, y)?.closest("#stop")) hidden.push(element.textContent.trim() || element.name);
    }
  }
  return [...new Set(hidden)];
}

async function look(page, text, width) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(wide <= 0, `${text}: ${wide} px too wide`);
  const hidden = await page.evaluate(underStop);
  check(hidden.length === 0, `${text}: under Stop: ${hidden.join(", ")}`);
  if (!AXE_AT.includes(width)) return;
  const found = await page.evaluate(async () => {
    const result = await axe.run(document, { rules: { "target-size": { enabled: true } } });
    return result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")} ${v.nodes[0].any[0]?.message ?? ""}`);
  });
  check(found.length === 0, `${text}: axe ${found.join(" | ")}`);
}

async function all(browser, scheme, width) {
  const page = await browser.newPage({ colorScheme: scheme, viewport: { width, height: 900 } });
  const at = (what) => `${what}, ${scheme}, ${width} px`;
  for (const state of (await desk("states")).split(" ")) {
    await page.goto("about:blank"); // a page that is open loads itself anew when its case changes
    await desk(`state ${state}`);
    for (const path of ["/", "/jobs/K7-2043", ...(state === "put-away" ? ["/history"] : [])]) {
      const answer = await page.goto(`${url}${path}`, { waitUntil: "load" });
      if (!answer.ok()) continue;
      await page.evaluate(axe);
      await page.waitForTimeout(120); // the first live parts
      await look(page, at(`${state} ${path}`), width);
      if (state === "printing" && path === "/") {
        await page.click("[data-open=cancel]");
        await look(page, at("cancel dialog"), width);
        await page.click("[data-close]");
      }
      if (state === "doubt" && path !== "/") {
        for (const summary of await page.$$("summary")) await summary.click();
        await look(page, at("what is folded"), width);
      }
    }
  }
  await page.evaluate(() => {
    document.body.classList.add("stale");
    const band = document.querySelector("#stale");
    band.hidden = false;
    band.textContent = "Not live since 14:02:10. What you see may be old.";
    document.querySelector("#stop-answer").textContent = "No answer yet. Use the switch at the printer.";
    document.querySelector("#stop-answer").className = "bad";
  });
  await look(page, at("not live"), width);
  await page.close();
}

browse(async (browser) => {
  for (const width of WIDTHS) {
    await all(browser, "light", width);
    if (AXE_AT.includes(width)) await all(browser, "dark", width);
  }
});
