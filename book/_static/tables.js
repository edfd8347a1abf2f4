// A table with more columns than are in view fades at the side where they are.
document.addEventListener("DOMContentLoaded", () => {
  const boxes = document.querySelectorAll(".study-table-scroll");
  const look = (box) => {
    const hidden = box.scrollWidth - box.clientWidth - Math.ceil(box.scrollLeft);
    box.classList.toggle("more", hidden > 1);
    const caption = box.querySelector("caption");
    box.style.setProperty("--caption", `${caption ? caption.offsetHeight : 0}px`); // which does not scroll, nor fade
  };
  const all = () => boxes.forEach(look);
  for (const box of boxes) box.addEventListener("scroll", () => look(box), { passive: true });
  window.addEventListener("resize", all);
  document.fonts?.ready.then(all);
  all();
});
