// The bar of a list in which some jobs are ticked: how many they are, and the offer to take all that the search finds.

const form = document.getElementById("bulk");
const bar = document.getElementById("bulk-bar");

form?.addEventListener("weir:ticked", (event) => {
  const { count } = event.detail;
  bar.classList.toggle("bulk-open", count > 0);
  bar.querySelector("#bulk-ticked").textContent = count === 1 ? "1 job ticked" : `${count} jobs ticked`;
  if (!count) bar.querySelector("[name=all]").checked = false;
});
// A page that comes back from the browser's memory has its ticks still.
addEventListener("pageshow", () => {
  document.querySelector("#jobs input[name=job]:checked")?.dispatchEvent(new Event("change", { bubbles: true }));
});
