// Draws results that are charts, in the page's own colours; again when the colours change. Chart.js is loaded on demand.

const COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6", "--series-7", "--series-8"];
const drawn = new Map();

let library = null;
function load() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.querySelector("[data-chart]").dataset.chart;
    script.addEventListener("load", () => resolve(window.Chart));
    script.addEventListener("error", reject);
    document.head.append(script);
  });
  return library;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function settings(config) {
  const line = config.style === "line";
  const several = config.series.length > 1;
  const unit = config.unit ? ` ${config.unit}` : "";
  const number = new Intl.NumberFormat("en", { maximumFractionDigits: 4 });
  const datasets = config.series.map((series, place) => {
    const own = colour(COLOURS[place % COLOURS.length]);
    const shared = { label: series.name, data: series.values, borderColor: own, backgroundColor: own };
    if (!line) return { ...shared, borderRadius: 3, maxBarThickness: 42 };
    // Beyond eight series the colours come again, dashed.
    const dash = place >= COLOURS.length ? [6, 4] : [];
    return { ...shared, borderWidth: 2, pointRadius: config.labels.length > 60 ? 0 : 2.5, tension: 0.2, borderDash: dash };
  });
  const axis = {
    ticks: { color: colour("--muted"), maxRotation: 50, autoSkipPadding: 12 },
    border: { color: colour("--line") },
  };
  return {
    type: line ? "line" : "bar",
    data: { labels: config.labels, datasets },
    options: {
      responsive: true,
      maintainAspectRatio: false,
      animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? false : { duration: 400 },
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { ...axis, grid: { display: false } },
        y: {
          ...axis,
          beginAtZero: !line,
          grid: { color: colour("--line") },
          title: { display: Boolean(config.unit), text: config.unit, color: colour("--muted") },
        },
      },
      plugins: {
        legend: { display: several, position: "bottom", labels: { color: colour("--ink"), boxWidth: 12, boxHeight: 12, usePointStyle: line, pointStyle: "line", pointStyleWidth: 24 } },
        tooltip: {
          callbacks: { label: (item) => `${item.dataset.label}: ${number.format(item.parsed.y)}${unit}` },
        },
      },
    },
  };
}

async function draw(box) {
  const config = JSON.parse(document.getElementById(box.dataset.chartFrom).textContent);
  const Chart = await load();
  drawn.get(box)?.destroy();
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  drawn.set(box, new Chart(box.querySelector("canvas"), settings(config)));
}

function drawAll() {
  for (const [box, chart] of drawn) {
    if (box.isConnected) continue;
    chart.destroy();
    drawn.delete(box);
  }
  for (const box of document.querySelectorAll("[data-chart-from]")) if (!drawn.has(box)) draw(box);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const box of drawn.keys()) draw(box);
});
document.addEventListener("htmx:afterSettle", drawAll);
drawAll();
