// Lets a reader sort and filter a table that calibbook/shared/html.py calls sortable. Without this script the table is
// read as it is, so everything that needs it is made here.
document.addEventListener("DOMContentLoaded", () => {
  const text = (row, column) => row.cells[column].textContent.trim();
  const values = (cell) => cell.split(", ").map((one) => one.replace(/ \d+$/, "")); // `held 3, undecided 1`

  const compare = (column) => (one, other) => {
    const [a, b] = [one, other].map((row) => parseFloat(row.cells[column].dataset.order));
    if (!isNaN(a) || !isNaN(b)) return isNaN(a) ? 1 : isNaN(b) ? -1 : a - b;
    const [s, t] = [one, other].map((row) => text(row, column).replaceAll(",", ""));
    return s.localeCompare(t, "en", { numeric: true });
  };

  const labelled = (name, field) => {
    const label = document.createElement("label");
    label.append(`${name} `, field);
    return label;
  };

  for (const box of document.querySelectorAll(".sortable")) {
    const body = box.querySelector("tbody");
    const heads = [...box.querySelectorAll("thead th")];
    const rows = [...body.rows];

    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => {
        const turned = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", turned ? "descending" : "ascending");
        const sorted = [...rows].sort(compare(column));
        body.append(...(turned ? sorted.reverse() : sorted));
      });
      head.replaceChildren(button);
    });

    const words = document.createElement("input");
    words.type = "search";
    const filters = [labelled("Words", words)];
    const chosen = box.dataset.choices.split("|").filter(Boolean).map((name) => {
      const column = heads.findIndex((head) => head.textContent === name);
      const select = document.createElement("select");
      const found = new Set(rows.flatMap((row) => values(text(row, column))));
      select.append(...["all", ...found].map((value) => new Option(value)));
      filters.push(labelled(name, select));
      return [column, select];
    });
    const count = document.createElement("span");
    count.setAttribute("role", "status");

    const filter = () => {
      const wanted = words.value.toLowerCase();
      let shown = 0;
      for (const row of rows) {
        const fits =
          row.textContent.toLowerCase().includes(wanted) &&
          chosen.every(([column, { value }]) => value === "all" || values(text(row, column)).includes(value));
        row.style.display = fits ? "" : "none";
        shown += fits;
      }
      count.textContent = `${shown} of ${rows.length} rows`;
    };
    const controls = document.createElement("div");
    controls.className = "filters";
    controls.append(...filters, count);
    controls.addEventListener("input", filter);
    box.prepend(controls);
    filter();
  }
});
