// Shows under each result of a search where its page has the words. EXCERPTS, page -> what it says, stands above.
document.addEventListener("DOMContentLoaded", () => {
  const results = document.getElementById("search-results");
  const asked = new URLSearchParams(location.search).get("q") || "";
  const words = asked.toLowerCase().match(/[\p{Letter}\p{Number}]{2,}/gu) || [];
  if (!results || !words.length) return;

  // The index finds `calibrating` for `calibration`: a word is looked for whole, then by how it begins.
  const place = (text, word) => {
    for (let end = word.length; end >= Math.min(4, word.length); end--) {
      const found = text.indexOf(word.slice(0, end));
      if (found >= 0) return [found, end];
    }
    return null;
  };

  const excerpt = (page) => {
    const said = EXCERPTS[page] || "";
    const found = words.map((word) => place(said.toLowerCase(), word)).find(Boolean);
    if (!found) return null;
    const [start, length] = found;
    const line = said.lastIndexOf("\n", start) + 1;
    const from = start - line > 100 ? said.indexOf(" ", start - 90) + 1 : line;
    const stop = said.slice(start).indexOf("\n");
    const last = stop < 0 ? said.length : start + stop;
    const to = last - start > 180 ? said.lastIndexOf(" ", start + 170) : last;
    const mark = document.createElement("mark");
    mark.textContent = said.slice(start, start + length);
    const shown = document.createElement("p");
    shown.className = "search-excerpt";
    shown.append((from > line ? "… " : "") + said.slice(from, start), mark);
    shown.append(said.slice(start + length, Math.max(to, start + length)) + (to < last ? " …" : ""));
    return shown;
  };

  const complete = (item) => {
    const link = item.querySelector("a");
    if (!link || item.querySelector(".search-excerpt")) return;
    const shown = excerpt(link.getAttribute("href").split("#")[0].replace(/\.html$/, ""));
    if (shown) item.append(shown);
  };

  const all = () => results.querySelectorAll("li").forEach(complete);
  new MutationObserver(all).observe(results, { childList: true, subtree: true });
  all();
});
