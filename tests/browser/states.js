// Every state, on both pages, light and dark, at 320 and 1280 px: no sideways scroll, nothing that axe finds.
const fs = require("node:fs");
const { url, desk, check, browse } = require("./lib.js");

const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [320, 1280];

async function look(page, text) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(wide <= 0, `${text}: ${wide} px too wide`);
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
      await look(page, at(`${state} ${path}`));
      if (state === "printing" && path === "/") {
        await page.click("[data-open=cancel]");
        await look(page, at("cancel dialog"));
        await page.click("[data-close]");
      }
      if (state === "doubt" && path !== "/") {
        for (const summary of await page.$$("summary")) await summary.click();
        await look(page, at("what is folded"));
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
  await look(page, at("not live"));
  await page.close();
}

browse(async (browser) => {
  for (const scheme of ["light", "dark"]) for (const width of WIDTHS) await all(browser, scheme, width);
});
