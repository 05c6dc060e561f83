// Follows one job: server-sent events say that something is new, small requests fetch it. Where the stream cannot be
// reached the same requests are made every two seconds. All ends when the job does. The log is in log.js.

import { lastLine, readLog, wanted } from "./log.js";
import { oneAtATime } from "./turns.js";

const POLL = 2000;

const job = document.getElementById("job");
const standing = () => document.getElementById("job-standing");
const isFinal = () => standing().dataset.final === "yes";

const look = oneAtATime(async () => {
  const query = wanted();
  query.set("stamp", standing().dataset.stamp);
  await htmx.ajax("GET", `${job.dataset.live}?${query}`, { source: job, target: "#job-standing", swap: "outerHTML" });
  sayProgress();
  if (isFinal()) stop();
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
  source = new EventSource(`${job.dataset.events}?after=${lastLine()}`);
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
