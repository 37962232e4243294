// One stream for all tabs of a browser: it has six connections to a host, and a stream holds one for good.
// Tabs say which page they show; the worker asks the station for all of them at once and hands on what comes.

const GONE_MS = 150_000; // a hidden tab may be woken once a minute only
const JOIN_MS = 20;
const RETRY_MS = [2_000, 30_000];

const tabs = new Map(); // port -> { page, heard }
const known = new Map(); // page -> { title, facts, parts }, whole
let source;
let asked = "";
let retry = RETRY_MS[0];
let joining;

const pages = () => [...new Set([...tabs.values()].map((tab) => tab.page))].sort();

function tell(message, page) {
  for (const [port, tab] of tabs) if (page === undefined || tab.page === page) port.postMessage(message);
}

function connect() {
  joining = undefined;
  source?.close();
  known.clear();
  const all = pages();
  asked = all.join(",");
  if (!all.length) return;
  const address = new URL("../../live", self.location);
  address.searchParams.set("on", asked);
  source = new EventSource(address);
  source.addEventListener("pages", (event) => {
    retry = RETRY_MS[0];
    for (const [page, now] of Object.entries(JSON.parse(event.data))) {
      const before = known.get(page);
      known.set(page, { ...now, parts: { ...before?.parts, ...now.parts } });
      tell(now, page);
    }
  });
  source.onerror = () => {
    tell({ lost: true });
    // A status other than 200 closes it for good: open a new one, ever more slowly.
    if (source.readyState !== EventSource.CLOSED) return;
    joining ??= setTimeout(connect, retry);
    retry = Math.min(retry * 2, RETRY_MS[1]);
  };
}

// Several tabs that come together are one new stream.
function refresh() {
  if (pages().join(",") !== asked) joining ??= setTimeout(connect, JOIN_MS);
}

self.onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data.bye) tabs.delete(port);
    else tabs.set(port, { page: data.page, heard: Date.now() });
    if (data.join && known.has(data.page)) port.postMessage(known.get(data.page));
    refresh();
  };
};

setInterval(() => {
  for (const [port, tab] of tabs) if (Date.now() - tab.heard > GONE_MS) tabs.delete(port);
  refresh();
}, 30_000);
