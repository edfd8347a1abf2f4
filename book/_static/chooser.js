/* The chooser of the page "I have a language" (calibbook/i_have_a_language/form.py): shows the answer to what is selected.
   Every answer is embedded in the page as text, and nothing is computed or fetched here. An address that ends with the
   anchor of a language, as in #language-pt, chooses it. */
"use strict";

(function () {
  const ANOTHER = "Nothing was measured for another language. Your model itself can say what to calibrate in.";
  const FIELDS = ["model", "language", "measure", "how"];

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
    const keys = Object.keys(data.answers).map((key) => key.split("."));
    const part = (name) => chooser.querySelector(`.chooser-${name}`);
    const write = (element, text) => {
      if (element.textContent !== text) element.textContent = text; // else a screen reader says it again
    };

    // what the reader chose, or what the page begins with: it comes back once it can be chosen again
    const wanted = Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value]));

    function offer() {
      // in each list only what was measured for what is selected in the lists before it
      let left = keys;
      FIELDS.forEach((name, place) => {
        const select = form.elements[name];
        if (select.value === "another") return;
        const measured = new Set(left.map((key) => key[place]));
        for (const option of select.options) {
          const there = option.value === "another" || measured.has(option.value);
          option.disabled = option.hidden = !there;
        }
        select.value = measured.has(wanted[name]) ? wanted[name] : [...select.options].find((option) => !option.disabled).value;
        left = left.filter((key) => key[place] === select.value);
      });
    }

    function show() {
      const another = form.elements.language.value === "another";
      if (!another) offer();
      const answer = another ? undefined : data.answers[FIELDS.map((name) => form.elements[name].value).join(".")];
      part("another").hidden = !another;
      part("result").hidden = another;
      write(part("said"), another ? ANOTHER : answer.said);
      if (another) return;
      write(part("about"), data.about[answer.run]);
      part("about").hidden = !data.about[answer.run];
      const asked = FIELDS.slice(1).map((name) => form.elements[name].selectedOptions[0].text);
      write(part("note"), `${asked.join(", ")}: ${data.notes[answer.note]}`);
      const rows = answer.rows.map(([choice, value, behind, rank]) => {
        const row = document.createElement("tr");
        row.append(cell("th", rank), cell("td", data.choices[choice][0]), cell("td", value), cell("td", behind));
        return row;
      });
      chooser.querySelector("tbody").replaceChildren(...rows);
      const [, command, cost] = data.choices[answer.take];
      write(chooser.querySelector("pre"), command);
      write(part("cost"), cost);
    }

    function follow() {
      const id = decodeURIComponent(location.hash.slice(1));
      const chosen = [...form.elements.language.options].find((option) => id && option.dataset.anchor === id);
      if (!chosen) return;
      chosen.disabled = chosen.hidden = false;
      wanted.language = form.elements.language.value = chosen.value;
      show();
      form.scrollIntoView();
    }

    for (const select of form.querySelectorAll("select")) {
      if (select.options.length < 2) select.parentElement.hidden = true; // nothing to choose
    }
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", (event) => {
      wanted[event.target.name] = event.target.value;
      show();
    });
    window.addEventListener("hashchange", follow);
    // once more when the browser itself has gone to the table of that name, below
    window.addEventListener("load", () => setTimeout(follow));
    form.hidden = false;
    show();
    follow();
  }

  function startAll() {
    document.querySelectorAll(".study-chooser").forEach(start);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
