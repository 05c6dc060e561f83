// The keyboard: a palette of places to go, the sheet of keys, j and k in lists, g and a letter for pages. No key means
// anything while something is being typed, but for Ctrl+K.

const palette = document.getElementById("palette");
const input = document.getElementById("palette-input");
const list = document.getElementById("palette-list");
const said = document.getElementById("palette-said");
const shortcuts = document.getElementById("shortcuts");

const WAIT = 1500;
const PAUSE = 200;
const ROWS = "main table.jobs tbody tr, main table.listing tbody tr, main .kinds li, main .lane, main .report";
const TICKED = ["checkbox", "radio", "button", "submit"];

const isTyping = (element) =>
  element.isContentEditable || element.matches("textarea, select") || (element.matches("input") && !TICKED.includes(element.type));

// The palette.

let loaded = null;
function load() {
  loaded ??= fetch(palette.dataset.url, { headers: { "HX-Request": "true" } })
    .then((answer) => (answer.ok && !answer.redirected ? answer.text() : Promise.reject(new Error("away"))))
    .then((html) => {
      list.innerHTML = html; // ours: every text in it is escaped by the template
    })
    .catch(() => {
      loaded = null;
      said.textContent = "The server cannot be reached.";
    });
  return loaded;
}

const shown = () => [...list.querySelectorAll("[role=option]:not([hidden])")];
const chosen = () => list.querySelector("[aria-selected=true]");

function choose(option) {
  chosen()?.setAttribute("aria-selected", "false");
  if (!option) {
    input.removeAttribute("aria-activedescendant");
    return;
  }
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", option.id);
}

function tell() {
  const options = shown();
  if (!options.includes(chosen())) choose(options[0]);
  said.textContent = options.length ? `${options.length} found` : "Nothing found";
}

function narrow() {
  const parts = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const option of list.querySelectorAll("[role=option]:not([data-found])")) {
    option.hidden = !parts.every((part) => option.dataset.words.includes(part));
  }
  choose(shown()[0]);
  tell();
}

// Jobs come below what is there, so that the choice does not move under the finger that is about to press Enter.
let asking = new AbortController();
async function findJobs() {
  const text = input.value.trim();
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  for (const each of list.querySelectorAll("[data-found]")) each.remove();
  if (text.length < 2) return;
  await new Promise((resolve) => setTimeout(resolve, PAUSE));
  if (signal.aborted) return;
  try {
    const answer = await fetch(`${palette.dataset.jobs}?${new URLSearchParams({ q: text })}`, { headers: { "HX-Request": "true" }, signal });
    if (answer.status !== 200 || answer.redirected) return;
    const html = await answer.text();
    if (signal.aborted) return;
    list.insertAdjacentHTML("beforeend", html); // ours, too
    tell();
  } catch {
    // Given up for what was typed since, or the server is away: the next letter asks again.
  }
}

async function openPalette() {
  if (palette.open) return;
  shortcuts.close();
  palette.showModal();
  input.value = "";
  input.focus();
  await load();
  findJobs();
  narrow();
}

function go(option) {
  if (option) location.assign(option.dataset.url);
}

input.addEventListener("input", () => {
  findJobs();
  narrow();
});
input.addEventListener("keydown", (event) => {
  const options = shown();
  const place = options.indexOf(chosen());
  const moves = { ArrowDown: place + 1, ArrowUp: place - 1, PageDown: place + 8, PageUp: place - 8 };
  if (event.key in moves) {
    event.preventDefault();
    const steps = Math.abs(moves[event.key] - place);
    // One step past an end comes in at the other; a longer one stops there.
    const next = steps === 1 ? (moves[event.key] + options.length) % options.length : Math.min(Math.max(moves[event.key], 0), options.length - 1);
    choose(options[next]);
  } else if (event.key === "Enter") {
    event.preventDefault();
    go(chosen());
  }
});
list.addEventListener("click", (event) => go(event.target.closest("[role=option]")));
for (const dialog of [palette, shortcuts]) {
  // A click beside it closes it.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-palette]")) openPalette();
  if (event.target.closest("[data-open-shortcuts]")) shortcuts.showModal();
});

// Lists.

function step(by) {
  const links = [...document.querySelectorAll(ROWS)].map((row) => row.querySelector("a[href]")).filter(Boolean);
  if (!links.length) return;
  const here = document.activeElement.closest(ROWS)?.querySelector("a[href]");
  const place = here ? links.indexOf(here) + by : by > 0 ? 0 : links.length - 1;
  const next = links[Math.min(Math.max(place, 0), links.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

// One key after another.

let going = 0;
function goTo(letter) {
  const link = shortcuts.querySelector(`[data-go="${CSS.escape(letter)}"]`);
  if (link) location.assign(link.href);
}

function search() {
  const field = document.querySelector("main [data-search], main input[type=search]");
  if (!field) {
    openPalette();
    return;
  }
  field.focus();
  field.select?.();
}

const KEYS = {
  "/": search,
  "?": () => shortcuts.showModal(),
  j: () => step(1),
  k: () => step(-1),
  g: () => {
    going = Date.now();
  },
};

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (palette.open) palette.close();
    else if (!document.querySelector("dialog[open]")) openPalette();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const went = Date.now() - going < WAIT;
  going = 0;
  if (went) {
    event.preventDefault();
    goTo(key);
  } else if (Object.hasOwn(KEYS, key)) {
    event.preventDefault();
    KEYS[key]();
  }
});
