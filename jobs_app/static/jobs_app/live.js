// Follows one job: server-sent events say that something is new, small requests fetch it. Where the stream cannot be
// reached the same requests are made every two seconds. All ends when the job does.

const POLL = 2000;
const LOG_LINES_KEPT = 5000;

const job = document.getElementById("job");
const log = document.getElementById("job-log");
const standing = () => document.getElementById("job-standing");
const isFinal = () => standing().dataset.final === "yes";

// One request at a time, and one more after it if something came meanwhile. Each has a source element of its own: htmx
// queues the requests of one element, and says that a queued one is done.
function oneAtATime(work) {
  let running = false;
  let again = false;
  return async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      do {
        again = false;
        await work();
      } while (again);
    } finally {
      running = false;
    }
  };
}

const look = oneAtATime(async () => {
  const stamp = encodeURIComponent(standing().dataset.stamp);
  await htmx.ajax("GET", `${job.dataset.live}?stamp=${stamp}`, { source: job, target: "#job-standing", swap: "outerHTML" });
  sayProgress();
  if (isFinal()) stop();
});

const readLog = oneAtATime(async () => {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.querySelector(".log-more")?.remove();
  const last = log.querySelector("[data-line]:last-of-type")?.dataset.line ?? 0;
  await htmx.ajax("GET", `${job.dataset.log}?after=${last}`, { source: log, target: log, swap: "beforeend" });
  while (log.children.length > LOG_LINES_KEPT) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
  if (log.querySelector(".log-more") && !isFinal()) queueMicrotask(readLog);
});

// The bar itself is silent; every quarter is said once.
let quarter = Math.floor(Number(standing().dataset.percent) / 25);
function sayProgress() {
  const now = Math.floor(Number(standing().dataset.percent) / 25);
  if (now > quarter && !isFinal()) document.getElementById("job-said").textContent = `${now * 25} per cent done`;
  quarter = now;
}

let source = null;
let timer = null;

function follow() {
  const last = log.querySelector("[data-line]:last-of-type")?.dataset.line ?? 0;
  source = new EventSource(`${job.dataset.events}?after=${last}`);
  source.addEventListener("job", look);
  source.addEventListener("log", readLog);
  source.addEventListener("end", () => {
    look();
    readLog();
  });
}

function poll() {
  if (document.hidden || source?.readyState === EventSource.OPEN) return;
  look();
  readLog();
  // The browser tries again by itself after a lost connection, but not after an error such as a proxy's.
  if (source?.readyState === EventSource.CLOSED && Math.random() < 0.1) follow();
}

function stop() {
  source?.close();
  clearInterval(timer);
  readLog();
}

if (!isFinal()) {
  follow();
  timer = setInterval(poll, POLL);
  document.addEventListener("visibilitychange", poll);
}
if (log) log.scrollTop = log.scrollHeight;
log?.addEventListener("click", (event) => {
  if (event.target.closest("[data-more]")) readLog();
});
