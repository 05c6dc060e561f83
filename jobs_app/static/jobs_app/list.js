// The list of jobs: the live stream says that something changed, and the rows are asked for. Without the stream they
// are asked for every few seconds. While jobs are ticked, or nobody looks, nothing is asked for, so that nothing moves.

const list = document.getElementById("jobs-list");
const body = () => document.getElementById("jobs");
const ticked = () => document.querySelectorAll("#jobs input[name=job]:checked");
const SELDOM = 15000;
const PROGRESS = 6000;

let source = null;
let looked = Date.now();

function follow() {
  source = new EventSource(list.dataset.events);
  source.addEventListener("changed", () => {
    if (!document.hidden) htmx.trigger(body(), "weir:look");
  });
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt !== body()) return;
  const byTimer = event.detail.requestConfig.triggeringEvent?.type !== "weir:look";
  const live = source?.readyState === EventSource.OPEN;
  // The stream tells of every move, but not of progress.
  const wanted = !live || Date.now() - looked > (body().querySelector("progress") ? PROGRESS : SELDOM);
  if (ticked().length || (byTimer && !wanted)) event.preventDefault();
  else looked = Date.now();
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "jobs") return;
  const newer = body()?.querySelector(".newer a");
  const said = document.getElementById("jobs-said");
  if (newer && said.textContent !== newer.textContent) said.textContent = newer.textContent;
});

// Ticks.
document.addEventListener("change", (event) => {
  if (event.target.id === "tick-all") {
    for (const each of document.querySelectorAll("#jobs input[name=job]")) each.checked = event.target.checked;
  } else if (!event.target.matches("#jobs input[name=job]")) {
    return;
  }
  const all = document.querySelectorAll("#jobs input[name=job]").length;
  const box = document.getElementById("tick-all");
  box.checked = ticked().length === all;
  box.indeterminate = ticked().length > 0 && ticked().length < all;
  document.getElementById("bulk").dispatchEvent(new CustomEvent("weir:ticked", { detail: { count: ticked().length } }));
  if (!ticked().length) htmx.trigger(body(), "weir:look");
});

// One card is open at a time, and Escape closes it.
document.addEventListener("click", (event) => {
  for (const each of document.querySelectorAll("details.drop[open]")) if (!each.contains(event.target)) each.open = false;
});
document.addEventListener("keydown", (event) => {
  const open = document.querySelector("details.drop[open]");
  if (event.key !== "Escape" || !open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

// A form sends no empty fields: the address stays short.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "get") return;
  for (const each of event.target.querySelectorAll("input:not([name=q]), select")) if (!each.value) each.disabled = true;
});

if (list) follow();
