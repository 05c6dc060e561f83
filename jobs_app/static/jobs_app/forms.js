// Forms of kinds: how far an upload is, files that are too large said at once, optional groups shown when they are set.

const form = () => document.getElementById("submit-form");

function checkSize(input) {
  const limit = Number(input.dataset.limit);
  const large = [...input.files].find((file) => file.size > limit);
  input.setCustomValidity(large ? `${large.name} is larger than ${input.dataset.limitWords}` : "");
  if (large) input.reportValidity();
}

function showSwitched(group) {
  const on = group.querySelector(":scope > .tick input").checked;
  group.querySelector(":scope > .group-parts").hidden = !on;
}

function prepare() {
  for (const group of document.querySelectorAll("[data-switched]")) showSwitched(group);
}

document.addEventListener("change", (event) => {
  if (event.target.matches("input[type=file]")) checkSize(event.target);
  const group = event.target.closest("[data-switched]");
  if (group) showSwitched(group);
});
document.addEventListener("htmx:xhr:progress", (event) => {
  const files = [...form().querySelectorAll("input[type=file]")].some((input) => input.files.length);
  const { loaded, total, lengthComputable } = event.detail;
  if (!files || !lengthComputable || !total) return;
  const box = form().querySelector(".upload");
  box.hidden = false;
  box.querySelector("progress").value = (loaded / total) * 100;
  box.querySelector(".percent").textContent = loaded < total ? `${Math.floor((loaded / total) * 100)} %` : "checking …";
});
document.addEventListener("htmx:afterSettle", prepare);
prepare();
