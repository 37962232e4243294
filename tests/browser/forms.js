// Buttons do what they say, only one of pause and resume is there, times are the reader's, a prefix is no harm.
const http = require("node:http");
const { url, desk, check, until, browse } = require("./lib.js");

const shown = (page, query) => page.$eval(query, (e) => e.checkVisibility());

async function printing(page) {
  await desk("state printing");
  await page.goto(`${url}/`);
  await until(() => shown(page, "#print-acts"), "the acts of a print are shown");
  check(await shown(page, "[data-act=pause]"), "pause while it prints");
  check(!(await shown(page, "[data-act=resume]")), "no resume while it prints");
  await page.click("[data-open=cancel]");
  check(await page.$eval("#cancel", (e) => e.open), "the dialog opens");
  check(await page.evaluate(() => document.activeElement.textContent === "Keep printing"), "keep printing has the focus");
  await page.keyboard.press("Enter");
  check(!(await page.$eval("#cancel", (e) => e.open)), "keep printing closes it without name or PIN");
  check(await page.evaluate(() => document.activeElement.dataset.open === "cancel"), "the focus is where it was");
  await page.click("[data-open=cancel]");
  await page.keyboard.press("Escape");
  check(!(await page.$eval("#cancel", (e) => e.open)), "escape closes it");
  await desk("state paused");
  await until(() => shown(page, "[data-act=resume]"), "resume while it is paused");
  check(!(await shown(page, "[data-act=pause]")), "no pause while it is paused");
  check(!(await shown(page, "#recover")), "no recover while nothing is halted");
  await desk("state stopped");
  await until(() => shown(page, "#recover"), "recover after a halt");
}

// What the printer asks is answered by its own words; a stop leaves nothing to answer.
async function asked(page) {
  await desk("state asks");
  await page.goto(`${url}/`);
  await until(() => shown(page, "#asks"), "what the printer asks is shown");
  check((await page.textContent("h1")).includes("The printer asks"), "the headline says so");
  check((await page.textContent("#asks .question")) === "Filament runout T0 <b>", "in its words, as text");
  const words = await page.$$eval("#asks .choices button", (all) => all.map((e) => e.textContent));
  check(words.join("|") === "Purge More|Continue", `its choices: ${words}`);
  await page.fill("#asks [name=operator]", "S. Haus");
  await page.fill("#asks [name=pin]", "481516");
  await page.click("#asks .choices button:nth-child(2)");
  await until(async () => /Answer \{.*choice: 1/.test(await desk("asked")), "the answer is sent");
  await desk("state asks-stopped");
  await until(async () => !(await shown(page, "#asks")), "nothing is asked after a stop");
  check((await page.textContent(".top .state")).includes("Emergency stop"), "the stop is the headline");
}

// A print is tuned within its bounds, by what differs alone; the form is there as long as something can be tuned.
async function tuned(page) {
  await desk("state printing");
  await page.goto(`${url}/`);
  await until(() => shown(page, "#tune summary"), "a print that runs can be tuned");
  check(!(await shown(page, "#tune [name=speed_percent]")), "folded until somebody wants it");
  await page.click("#tune summary");
  const field = (name) => page.$eval(`#tune [name=${name}]`, (e) => [e.min, e.max, e.value, e.disabled].join(" "));
  check((await field("speed_percent")) === "50 120 100 false", `speed and its bounds: ${await field("speed_percent")}`);
  check((await field("flow_percent")) === "90 110 100 false", "flow and its bounds");
  check((await field("z_mm")).endsWith("true"), "no height where the firmware has none");
  const tunes = async () => (await desk("asked")).split(" | ").filter((a) => a.startsWith("Tune "));
  const before = (await tunes()).length;
  await page.fill("#tune [name=operator]", "S. Haus");
  await page.fill("#tune [name=pin]", "481516");
  await page.fill("#tune [name=speed_percent]", "200");
  await page.click("[data-printer=tune]");
  check((await tunes()).length === before, "nothing is asked beyond the bounds");
  await page.fill("#tune [name=speed_percent]", "110");
  await desk("state printing");
  check((await page.inputValue("#tune [name=speed_percent]")) === "110", "news of the print leave what is typed alone");
  await page.click("[data-printer=tune]");
  await until(async () => (await tunes()).length > before, "it is asked");
  const [asked] = (await tunes()).slice(-1);
  const rest = ["flow_percent", "fan_percent", "z_mm"].every((name) => asked.includes(`${name}: None`));
  check(asked.includes("speed_percent: Some(110.0)") && rest, `what differs alone: ${asked}`);
  await until(async () => (await page.inputValue("#tune [name=pin]")) === "", "the PIN is forgotten");
  await desk("state paused");
  await until(() => shown(page, "[data-act=resume]"), "held");
  check(await shown(page, "#tune summary"), "and while it is held");
  await desk("state idle");
  await until(async () => !(await shown(page, "#tune summary")), "not when nothing is printed");
}

// Who the patient of a refused case is: to the signed-in alone.
async function refused(browser) {
  await desk("state refused");
  const page = await browser.newPage();
  await page.goto(`${url}/jobs/K7-2043`);
  const body = () => page.textContent("body");
  check((await body()).includes("No hole was found"), "why it was refused");
  check(!(await body()).includes("DOE^JANE"), "no patient to whoever walks past");
  await page.click("details:has([data-identity]) summary");
  const form = "form:has([data-identity])";
  await page.fill(`${form} [name=operator]`, "A. Weber");
  await page.fill(`${form} [name=pin]`, "000000");
  await page.click(`${form} [data-identity]`);
  await until(async () => (await body()).includes("Name or PIN is wrong"), "a wrong PIN is told");
  check(!(await body()).includes("DOE^JANE"), "and shows nobody");
  await page.fill(`${form} [name=pin]`, "481516");
  await page.click(`${form} [data-identity]`);
  await until(async () => (await body()).includes("DOE^JANE"), "the patient is shown to the signed-in");
  await page.close();
}

// The station did it, and the answer is lost on the way: asked again by the same id, so that it is done once.
async function lost(page) {
  const ids = [];
  await page.route("**/release", async (route) => {
    ids.push(route.request().postDataJSON().id);
    if (ids.length > 1) return route.continue();
    await route.fetch();
    return route.abort();
  });
  return ids;
}

async function release(browser) {
  await desk("state doubt");
  const page = await browser.newPage({ timezoneId: "America/New_York", locale: "en-GB" });
  await page.goto(`${url}/jobs/K7-2043`);
  await until(() => shown(page, "#release"), "the form is there");
  check((await page.$$('.pictures img[src*="preview-fit"]')).length === 2, "a picture of each hole");
  const head = await page.textContent(".top time");
  check(head.includes("08:02") && /GMT-5|EST/.test(head), `the reader's clock and its zone: ${head}`);
  const ready = () => page.$eval(".print-now", (e) => !e.disabled);
  check(!(await ready()), "nothing is filled in");
  await page.fill('#release [name=operator]', "A. Weber");
  await page.fill('#release [name=pin]', "481516");
  await page.click("#release [data-identity]");
  await until(async () => (await page.textContent("#release .identity")).includes("DOE^JANE"), "the patient is shown");
  await page.fill('#release [name=spool]', "PLA lot 22-117");
  await page.check('#release [value=left]');
  await page.check('#release [name=bed_clear]');
  check(!(await ready()), "an amber finding is to be seen");
  await page.check('#release [name=seen-0]');
  await until(ready, "all is filled in");
  const ids = await lost(page);
  await page.click(".print-now");
  await page.waitForURL(`${url}/`);
  check((await desk("asked")).includes("Release"), "the release is asked");
  check(ids.length === 2 && ids[0] === ids[1] && /^[0-9a-f]{32}$/.test(ids[0]), `a lost answer is asked again by its id: ${ids}`);
  await page.close();
}

// As a proxy with a prefix does it.
function proxy() {
  const { hostname, port } = new URL(url);
  const server = http.createServer((request, response) => {
    if (!request.url.startsWith("/calvaria/")) return response.writeHead(404).end();
    const path = request.url.slice("/calvaria".length);
    const on = http.request({ hostname, port, path, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    on.on("error", () => response.destroy());
    response.on("close", () => on.destroy());
    request.pipe(on);
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done(server)));
}

async function prefix(browser) {
  await desk("state printing");
  const server = await proxy();
  const base = `http://127.0.0.1:${server.address().port}/calvaria/`;
  const page = await browser.newPage();
  const missed = [];
  page.on("response", (answer) => answer.status() >= 400 && missed.push(answer.url()));
  await page.goto(base);
  await desk("state paused");
  await until(async () => /Paused/.test(await page.textContent("h1")), "live below a prefix");
  await page.click("a.code");
  await until(async () => page.url().endsWith("/calvaria/jobs/K7-2043"), "links below a prefix");
  const before = Number(await desk("stops"));
  await page.click("#stop-button");
  await until(async () => Number(await desk("stops")) > before, "stop below a prefix");
  check(missed.filter((u) => u.includes(`:${server.address().port}/`)).length === 0, `nothing is missed: ${missed}`);
  await page.close();
  server.closeAllConnections();
  server.close();
}

browse(async (browser) => {
  const page = await browser.newPage();
  await printing(page);
  await asked(page);
  await tuned(page);
  await page.close();
  await refused(browser);
  await release(browser);
  await prefix(browser);
});
