// On paper the book is light, whatever the screen is, and pictures that nobody scrolled to are fetched.
(() => {
  const root = document.documentElement;
  const kept = ["theme", "mode"];
  let before = null;
  const print = (begins) => {
    if (begins === (before !== null)) return;
    if (begins) {
      before = kept.map((name) => root.dataset[name]);
      for (const name of kept) root.dataset[name] = "light";
      for (const image of document.images) image.loading = "eager";
    } else {
      kept.forEach((name, place) => before[place] === undefined || (root.dataset[name] = before[place]));
      before = null;
    }
  };
  // the first is heard before a print by hand, the second also where a program asks for a page as it is printed
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  window.matchMedia("print").addEventListener("change", (media) => print(media.matches));
})();
