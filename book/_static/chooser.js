/* The chooser of the page "I have a language" (calibbook/i_have_a_language/form.py): shows the answer to what is selected.
   Every answer is embedded in the page as text, and nothing is computed or fetched here. */
"use strict";

(function () {
  const ANOTHER = "Nothing was measured for another language. Your model itself can say what to calibrate in.";
  const MISSING = "This combination was not measured. Choose another measure or method.";

  function cell(kind, text) {
    const made = document.createElement(kind);
    made.textContent = text;
    if (kind === "th") made.scope = "row";
    else if (kind === "td") made.className = "text";
    return made;
  }

  function start(chooser) {
    const form = chooser.querySelector("form");
    const data = JSON.parse(chooser.querySelector('script[type="application/json"]').textContent);
    const part = (name) => chooser.querySelector(`.chooser-${name}`);
    const write = (element, text) => {
      if (element.textContent !== text) element.textContent = text; // else a screen reader says it again
    };

    function show() {
      const selected = ["model", "language", "measure", "how"].map((name) => form.elements[name].value);
      const another = selected[1] === "another";
      const answer = another ? undefined : data.answers[selected.join(".")];
      part("another").hidden = !another;
      part("result").hidden = !answer;
      write(part("said"), another ? ANOTHER : answer ? answer.said : MISSING);
      if (!answer) return;
      write(part("note"), answer.note);
      const rows = answer.rows.map(([choice, value, behind, rank]) => {
        const row = document.createElement("tr");
        row.append(cell("th", rank), cell("td", data.choices[choice][0]), cell("td", value), cell("td", behind));
        return row;
      });
      chooser.querySelector("tbody").replaceChildren(...rows);
      const [, command, cost] = data.choices[answer.rows[0][0]];
      write(chooser.querySelector("pre"), command);
      write(part("cost"), cost);
    }

    for (const select of form.querySelectorAll("select")) {
      if (select.options.length < 2) select.parentElement.hidden = true; // nothing to choose
    }
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", show);
    form.hidden = false;
    show();
  }

  function startAll() {
    document.querySelectorAll(".study-chooser").forEach(start);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
