// Forms of kinds: what is wrong said at its field before anything is sent, files by drag and drop, how far an upload is,
// optional groups shown when they are set. What was typed is kept by drafts.js; lists of objects are drawn by rows.js.

import "./drafts.js";
import "./rows.js";

// Never form.dataset and the like: a parameter of that name would stand in their place.
const form = () => document.getElementById("submit-form");
const within = (selector) => document.querySelectorAll(`#submit-form ${selector}`);

// In the words of the server, which checks the same again.
function sentence(input) {
  const { validity } = input;
  if (validity.customError) return input.validationMessage;
  if (validity.valueMissing) return input.type === "file" ? "expected a file, got none" : "expected a value, got none";
  if (validity.rangeUnderflow) return `expected at least ${input.min}, got ${input.value}`;
  if (validity.rangeOverflow) return `expected at most ${input.max}, got ${input.value}`;
  if (validity.tooShort) return `expected at least ${input.minLength} characters, got ${input.value.length}`;
  if (validity.patternMismatch && input.title) return input.title;
  return input.validationMessage;
}

function tellAtField(input, text) {
  const field = input.closest(".field");
  if (!field) return;
  let told = field.querySelector(":scope > .errorlist[data-here]");
  if (!text) {
    told?.remove();
    if (told) input.removeAttribute("aria-invalid");
    return;
  }
  if (!told) {
    told = document.createElement("ul");
    told.className = "errorlist";
    told.dataset.here = "";
    told.id = `${input.id || input.name}_here`;
    told.append(document.createElement("li"));
    field.append(told);
  }
  told.firstElementChild.textContent = text;
  input.setAttribute("aria-invalid", "true");
  const described = new Set((input.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
  input.setAttribute("aria-describedby", [...described.add(told.id)].join(" "));
}

// Instead of the browser's bubble at the first: every problem at its place, and the first is where one types.
let first = null;
document.addEventListener(
  "invalid",
  (event) => {
    if (event.target.form !== form()) return;
    event.preventDefault();
    tellAtField(event.target, sentence(event.target));
    if (first) return;
    first = event.target;
    setTimeout(() => {
      first.focus();
      first = null;
    });
  },
  true,
);
document.addEventListener("input", (event) => {
  if (event.target.form === form() && event.target.validity?.valid) tellAtField(event.target, "");
});

function checkSize(input) {
  const limit = Number(input.dataset.limit);
  const large = [...input.files].find((file) => file.size > limit);
  input.setCustomValidity(large ? `${large.name} is larger than ${input.dataset.limitWords}` : "");
  tellAtField(input, input.validity.customError ? input.validationMessage : "");
}

function size(bytes) {
  for (const [unit, length] of [["GB", 2 ** 30], ["MB", 2 ** 20], ["KB", 2 ** 10]]) {
    if (bytes >= length) return `${(bytes / length).toFixed(1)} ${unit}`;
  }
  return `${bytes} bytes`;
}

// Drag and drop. A file that misses the field is not to take the whole page away.
const dragging = (event) => event.dataTransfer?.types.includes("Files");

function target(event) {
  const area = event.target.closest?.(".files");
  if (area) return area;
  const all = within(".files");
  return all.length === 1 ? all[0] : null;
}

function highlight(area) {
  for (const each of document.querySelectorAll(".files-over")) if (each !== area) each.classList.remove("files-over");
  area?.classList.add("files-over");
}

function take(area, files) {
  const input = area.querySelector("input[type=file]");
  const given = new DataTransfer();
  for (const file of input.multiple ? [...input.files, ...files] : [files[0]]) given.items.add(file);
  input.files = given.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  input.focus();
}

function listFiles(input) {
  const told = input.closest(".files")?.querySelector(".files-told");
  if (!told) return;
  told.textContent = [...input.files].map((file) => `${file.name}, ${size(file.size)}`).join("; ");
}

document.addEventListener("dragover", (event) => {
  if (!dragging(event) || !form()) return;
  event.preventDefault();
  const area = target(event);
  event.dataTransfer.dropEffect = area ? "copy" : "none";
  highlight(area);
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) highlight(null);
});
document.addEventListener("drop", (event) => {
  if (!dragging(event) || !form()) return;
  event.preventDefault();
  highlight(null);
  const area = target(event);
  if (area && event.dataTransfer.files.length) take(area, [...event.dataTransfer.files]);
});

function showSwitched(group) {
  const on = group.querySelector(":scope > .tick input").checked;
  group.querySelector(":scope > .group-parts").hidden = !on;
}

function prepare() {
  for (const group of document.querySelectorAll("[data-switched]")) showSwitched(group);
}

document.addEventListener("change", (event) => {
  if (event.target.matches("input[type=file]")) {
    checkSize(event.target);
    listFiles(event.target);
  }
  const group = event.target.closest("[data-switched]");
  if (group) showSwitched(group);
});

// An upload: how far it is, and a way to stop it.
const upload = () => within(".upload")[0];

document.addEventListener("htmx:xhr:progress", (event) => {
  if (event.target !== form() && event.detail.elt !== form()) return;
  const files = [...within("input[type=file]")].some((input) => input.files.length);
  const { loaded, total, lengthComputable } = event.detail;
  if (!files || !lengthComputable || !total) return;
  upload().hidden = false;
  upload().querySelector("progress").value = (loaded / total) * 100;
  const part = `${Math.floor((loaded / total) * 100)} % · ${size(loaded)} of ${size(total)}`;
  upload().querySelector(".percent").textContent = loaded < total ? part : "checking …";
  upload().querySelector("button").hidden = loaded >= total;
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-stop-upload]")) htmx.trigger(form(), "htmx:abort");
});

function tellUnsent(text) {
  const told = within("[data-unsent]")[0];
  told.hidden = false;
  told.textContent = text;
  upload().hidden = true;
}

function ofForm(event, work) {
  if (event.detail.elt === form()) work();
}
document.addEventListener("htmx:beforeRequest", (event) =>
  ofForm(event, () => {
    within("[data-unsent]")[0].hidden = true;
  }),
);
document.addEventListener("htmx:sendError", (event) =>
  ofForm(event, () => tellUnsent("The server could not be reached. What you filled in is kept: send it again in a moment.")),
);
document.addEventListener("htmx:sendAbort", (event) =>
  ofForm(event, () => tellUnsent("The upload was stopped. What you filled in is kept.")),
);
document.addEventListener("htmx:afterSettle", prepare);
prepare();
