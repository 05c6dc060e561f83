// A list of objects as rows of inputs, instead of JSON. The JSON stays what is sent: without scripts, or where a value
// does not fit the rows, it is edited as text.

const labelled = (label, input) => {
  const made = document.createElement("label");
  made.className = input.type === "checkbox" ? "tick" : "rows-cell";
  const words = document.createElement("span");
  words.textContent = label;
  if (input.type === "checkbox") made.append(input, words);
  else made.append(words, input);
  return made;
};

function button(text, work, label = "") {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button button-small";
  made.textContent = text;
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", work);
  return made;
}

function inputFor(column, value) {
  if (column.choices) {
    const made = document.createElement("select");
    for (const each of column.required ? column.choices : [null, ...column.choices]) {
      const option = document.createElement("option");
      option.value = each === null ? "" : JSON.stringify(each);
      option.textContent = each === null ? "not set" : String(each);
      made.append(option);
    }
    made.value = value === undefined || value === null ? "" : JSON.stringify(value);
    return made;
  }
  const made = document.createElement("input");
  made.type = { boolean: "checkbox", integer: "number", number: "number", secret: "password" }[column.type] ?? "text";
  for (const [name, given] of Object.entries(column.attributes)) made.setAttribute(name, given);
  made.required = column.required && column.type !== "boolean";
  if (column.type === "boolean") made.checked = value ?? column.default ?? false;
  else if (value !== undefined && value !== null) made.value = column.type === "json" ? JSON.stringify(value) : value;
  return made;
}

// The value of an input; undefined leaves it to the default.
function valueOf(column, input) {
  if (column.type === "boolean") return input.checked;
  if (input.value === "") return undefined;
  if (column.choices || column.type === "json") {
    try {
      return JSON.parse(input.value);
    } catch {
      return input.value;
    }
  }
  return input.type === "number" ? Number(input.value) : input.value;
}

function parsed(text) {
  try {
    const found = JSON.parse(text || "[]");
    const fits = Array.isArray(found) && found.every((each) => each && typeof each === "object" && !Array.isArray(each));
    return fits ? found : null;
  } catch {
    return null;
  }
}

function build(area) {
  area.parentElement.querySelector(":scope > .rows")?.remove();
  area.hidden = false;
  const values = parsed(area.value);
  if (values === null) return;
  const columns = JSON.parse(area.dataset.rows);
  const names = new Set(columns.map((column) => column.name));
  const box = document.createElement("div");
  box.className = "rows";

  const sync = () => {
    const found = [...box.querySelectorAll(":scope > fieldset")].map((row) => {
      const told = { ...row.rest };
      columns.forEach((column, place) => {
        const value = valueOf(column, row.inputs[place]);
        if (value !== undefined) told[column.name] = value;
      });
      return told;
    });
    area.value = JSON.stringify(found, null, 2);
    area.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const number = () => {
    box.querySelectorAll(":scope > fieldset").forEach((row, place) => {
      row.querySelector("legend").textContent = `${place + 1}`;
      row.querySelector("button").setAttribute("aria-label", `Remove ${place + 1}`);
    });
  };
  const add = (value) => {
    const row = document.createElement("fieldset");
    row.className = "row";
    row.append(document.createElement("legend"));
    row.rest = Object.fromEntries(Object.entries(value).filter(([name]) => !names.has(name)));
    row.inputs = columns.map((column) => inputFor(column, value[column.name]));
    columns.forEach((column, place) => row.append(labelled(column.label, row.inputs[place])));
    row.append(
      button("Remove", () => {
        (row.nextElementSibling.querySelector("input, select") ?? row.nextElementSibling.querySelector("button")).focus();
        row.remove();
        number();
        sync();
      }),
    );
    box.querySelector(":scope > .rows-end").before(row);
    number();
    return row;
  };

  const end = document.createElement("div");
  end.className = "rows-end buttons";
  end.append(
    button("Add one", () => {
      add({}).inputs[0].focus();
      sync();
    }),
    button("Edit as JSON", () => {
      box.remove();
      area.hidden = false;
      area.focus();
    }),
  );
  box.append(end);
  values.forEach(add);
  box.addEventListener("input", sync);
  area.before(box);
  area.hidden = true;
}

function buildAll() {
  for (const area of document.querySelectorAll("textarea[data-rows]")) {
    if (!area.parentElement.querySelector(":scope > .rows")) build(area);
  }
}

document.addEventListener("weir:filled", () => {
  for (const area of document.querySelectorAll("textarea[data-rows]")) build(area);
});
document.addEventListener("htmx:afterSettle", buildAll);
buildAll();
