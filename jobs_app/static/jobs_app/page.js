// What every page needs: times that keep up, questions before anything is lost, and word when the server is away.

const SHORT = { month: "short", day: "numeric" };

// In the same words as web/words.py.
function distance(moment, now) {
  const seconds = (now - moment) / 1000;
  const gap = Math.abs(seconds);
  if (gap < 2) return "just now";
  if (gap >= 86400) {
    const options = moment.getFullYear() === now.getFullYear() ? SHORT : { ...SHORT, year: "numeric" };
    return moment.toLocaleDateString("en-GB", options);
  }
  const [size, unit] = gap >= 3600 ? [3600, "h"] : gap >= 60 ? [60, "min"] : [1, "s"];
  const words = `${Math.floor(gap / size)} ${unit}`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}

function tell() {
  if (document.hidden) return;
  const now = new Date();
  for (const each of document.querySelectorAll("time[data-ago]")) {
    const words = distance(new Date(each.dateTime), now);
    if (each.textContent !== words) each.textContent = words;
  }
}
setInterval(tell, 1000);

// When a full queue takes jobs again: counted down, and said once when it is time.
setInterval(() => {
  for (const each of document.querySelectorAll("[data-countdown]")) {
    each.dataset.until ??= Date.now() + 1000 * each.dataset.countdown;
    const left = Math.ceil((each.dataset.until - Date.now()) / 1000);
    each.textContent = left > 0 ? `Send it again in ${left} s` : "Send it again now";
    if (left <= 0) delete each.dataset.countdown;
  }
}, 1000);

// A refused form comes back with status 503 or 429: it is shown all the same.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.xhr.getResponseHeader("HX-Retarget")) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});

// Notices: a sentence at the bottom of the page, read out by screen readers.
const toasts = document.getElementById("toasts");

function say(text, { stay = false, id = "" } = {}) {
  if (id && document.getElementById(id)) return;
  const toast = document.createElement("p");
  toast.className = "toast";
  toast.id = id;
  toast.textContent = text;
  toasts.append(toast);
  if (!stay) setTimeout(() => toast.remove(), 9000);
}
document.addEventListener("weir:notice", (event) => say(event.detail.text));

const AWAY = "toast-away";
document.addEventListener("htmx:sendError", () => {
  say("The server cannot be reached. Trying again …", { stay: true, id: AWAY });
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) document.getElementById(AWAY)?.remove();
});
document.addEventListener("htmx:responseError", (event) => {
  if (!event.detail.xhr.getResponseHeader("HX-Trigger")) say("The server answered with an error. Try again in a moment.");
});

// Questions before something is lost: htmx's own hx-confirm, and data-confirm on plain forms.
const dialog = document.getElementById("confirm");

function ask(question, yes, then) {
  dialog.querySelector("#confirm-question").textContent = question;
  dialog.querySelector("[value=yes]").textContent = yes || "Yes";
  dialog.returnValue = "no";
  dialog.addEventListener("close", () => dialog.returnValue === "yes" && then(), { once: true });
  dialog.showModal();
}
document.addEventListener("htmx:confirm", (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  const yes = event.detail.elt.dataset.yes;
  ask(event.detail.question, yes, () => event.detail.issueRequest(true));
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset?.confirm || form.dataset.sure) return;
  event.preventDefault();
  ask(form.dataset.confirm, form.dataset.yes, () => {
    form.dataset.sure = "yes";
    form.requestSubmit();
  });
});

// A list that looks again pauses while nobody sees it, something on it is being selected, or a question is open.
document.addEventListener("htmx:beforeRequest", (event) => {
  const element = event.detail.elt;
  if (!element.hasAttribute("data-poll")) return;
  const selection = document.getSelection();
  const selecting = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
  // What may change its height keeps still while somebody is about to click on it, or has its focus in it.
  const still = element.matches("[data-still]:is(:hover, :focus-within)");
  if (document.hidden || selecting || still || dialog.open) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  tell();
  for (const each of document.querySelectorAll("[data-poll]")) htmx.trigger(each, "weir:look");
});

// Small conveniences.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-autosubmit]")) event.target.form.requestSubmit();
});
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      say("Copied.");
    } catch {
      source.select?.();
      say("Copying is not allowed here: select the text and copy it yourself.");
    }
    return;
  }
  const menu = document.querySelector("details.menu[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = document.querySelector("details.menu[open]");
  if (event.key === "Escape" && menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("htmx:afterSettle", () => {
  const told = document.querySelector("[data-focus]:not([data-focused])");
  if (!told) return;
  told.dataset.focused = "yes";
  told.focus();
  told.scrollIntoView({ block: "nearest" });
});
// Whoever logs out leaves nothing of what was typed behind.
document.addEventListener("submit", (event) => {
  if (!("logout" in event.target.dataset)) return;
  try {
    sessionStorage.clear();
  } catch {
    // Storage is off: nothing was kept.
  }
});
