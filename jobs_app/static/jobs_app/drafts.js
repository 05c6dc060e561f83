// What is typed into a form is never lost: this tab remembers it until the form is accepted, and offers it again after a
// reload, a log in, or the way back. Secrets and files are not remembered.

const PREFIX = "weir-draft:";

// Never form.elements or form.dataset: a parameter of that name would stand in their place.
const form = () => document.getElementById("submit-form");
const fields = () => document.querySelectorAll("#submit-form :is(input, select, textarea)");
const offer = document.getElementById("draft-offer");
const whose = offer.dataset.draft;
const key = () => PREFIX + whose;

function kept(element) {
  if (!element.name || element.name.startsWith("_") || element.name === "csrfmiddlewaretoken") return false;
  return !["password", "file", "submit", "button"].includes(element.type) && !("secret" in element.dataset);
}

function read() {
  const found = [];
  for (const element of fields()) {
    if (!kept(element)) continue;
    const ticked = ["checkbox", "radio"].includes(element.type);
    if (!ticked || element.checked) found.push([element.name, element.value]);
  }
  return JSON.stringify(found);
}

function fill(text) {
  const values = JSON.parse(text);
  for (const element of fields()) {
    if (!kept(element)) continue;
    if (["checkbox", "radio"].includes(element.type)) {
      element.checked = values.some(([name, value]) => name === element.name && value === element.value);
    } else {
      const given = values.find(([name]) => name === element.name);
      if (given) element.value = given[1];
    }
    element.dispatchEvent(new Event("change", { bubbles: true }));
  }
  document.dispatchEvent(new Event("weir:filled"));
}

// Storage may be off, or full: then nothing is remembered, and all else works.
function store(name, text) {
  try {
    if (text === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, text);
  } catch {
    return;
  }
}

function stored(name) {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

function forgetOthers() {
  const mine = `${PREFIX}${whose.split(":")[0]}:`;
  try {
    for (const name of Object.keys(sessionStorage)) {
      if (name.startsWith(PREFIX) && !name.startsWith(mine)) sessionStorage.removeItem(name);
    }
  } catch {
    return;
  }
}

let untouched = read();
let timer = null;

function save() {
  clearTimeout(timer);
  const now = read();
  if (now !== untouched) store(key(), now);
}

document.addEventListener("input", (event) => {
  if (event.target.form !== form()) return;
  clearTimeout(timer);
  timer = setTimeout(save, 200);
});
document.addEventListener("change", (event) => {
  if (event.target.form === form()) save();
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt === form()) save();
});
document.addEventListener("htmx:beforeOnLoad", (event) => {
  // Accepted: the answer leads on to the job.
  if (event.detail.elt === form() && event.detail.xhr.getResponseHeader("HX-Redirect")) {
    clearTimeout(timer);
    store(key(), null);
  }
});
addEventListener("pagehide", () => {
  if (timer && form() && stored(key()) !== null) save();
});

forgetOthers();
const before = stored(key());
if (before && before !== untouched && !document.querySelector("#submit-form [role=alert]:not([hidden])")) {
  offer.hidden = false;
  offer.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-offer]")?.dataset.offer;
    if (!chosen) return;
    if (chosen === "fill") fill(before);
    else store(key(), null);
    offer.hidden = true;
    [...fields()].find((element) => element.type !== "hidden")?.focus();
  });
}
