// The log of a job: new lines at its end, earlier ones on request, only those of an attempt or a level if that is wanted.

import { oneAtATime } from "./turns.js";

const LINES_KEPT = 5000;
const NEAR = 40;

const job = document.getElementById("job");
const log = document.getElementById("job-log");
const form = document.querySelector("[data-log-filter]");
const toEnd = document.getElementById("log-end");

let last = 0;
let anew = false;

export function lastLine() {
  return last;
}

// The filter as it is in an address.
export function wanted() {
  const chosen = form ? [...new FormData(form)].filter(([, value]) => value) : [];
  return new URLSearchParams(chosen);
}

const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;

function goToEnd() {
  log.scrollTop = log.scrollHeight;
  toEnd.hidden = true;
}

// The server's own word on how far the lines go that it sent; says whether there are more.
function takeMark() {
  const marks = log.querySelectorAll(".log-mark");
  const mark = marks[marks.length - 1];
  if (!mark) return false;
  last = Math.max(last, Number(mark.dataset.last));
  const more = "more" in mark.dataset;
  for (const each of marks) each.remove();
  return more;
}

function forget() {
  const lines = log.querySelectorAll("[data-line]");
  if (lines.length <= LINES_KEPT) return;
  const cut = [...lines].slice(0, lines.length - LINES_KEPT);
  for (const line of cut) line.remove();
  log.querySelector(".log-more")?.remove();
  const earlier = document.createElement("li");
  earlier.className = "log-more";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-small";
  button.dataset.earlier = log.querySelector("[data-line]").dataset.line;
  button.textContent = "Load earlier lines";
  earlier.append(button);
  log.prepend(earlier);
}

export const readLog = oneAtATime(async () => {
  if (!log || "paged" in log.dataset) return;
  const query = wanted();
  const fresh = anew;
  anew = false;
  if (!fresh) query.set("after", last);
  const follows = fresh || atEnd();
  await htmx.ajax("GET", `${job.dataset.log}?${query}`, { source: log, target: log, swap: fresh ? "innerHTML" : "beforeend" });
  const more = takeMark();
  forget();
  if (follows) goToEnd();
  else toEnd.hidden = atEnd();
  if (more || anew) queueMicrotask(readLog);
});

async function readEarlier(before) {
  const query = wanted();
  query.set("before", before);
  const fromBottom = log.scrollHeight - log.scrollTop;
  log.querySelector(".log-more")?.remove();
  await htmx.ajax("GET", `${job.dataset.log}?${query}`, { source: form, target: log, swap: "afterbegin" });
  log.querySelector(".log-mark")?.remove();
  log.scrollTop = log.scrollHeight - fromBottom;
  log.focus({ preventScroll: true });
}

// Another attempt, another level: the lines are read anew, and the address says which, for a reload and for a friend.
function refilter() {
  const query = wanted().toString();
  history.replaceState(null, "", `${location.pathname}${query ? `?${query}` : ""}`);
  delete log.dataset.paged;
  anew = true;
  readLog();
}

if (log) {
  takeMark();
  goToEnd();
  log.addEventListener("scroll", () => {
    toEnd.hidden = atEnd();
  });
  toEnd.addEventListener("click", () => {
    goToEnd();
    log.focus();
  });
  form.addEventListener("change", refilter);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    refilter();
  });
  document.addEventListener("click", (event) => {
    const earlier = event.target.closest("[data-earlier]");
    const attempt = event.target.closest("[data-log-of]");
    if (!earlier && !attempt) return;
    event.preventDefault();
    if (earlier) {
      readEarlier(earlier.dataset.earlier);
      return;
    }
    form.elements.attempt.value = attempt.dataset.logOf;
    refilter();
    document.getElementById("log").scrollIntoView({ block: "nearest" });
    log.focus({ preventScroll: true });
  });
}
