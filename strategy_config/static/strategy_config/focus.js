// The theme hides a page until its own script has run, and what is hidden takes no focus: the field that is wanted
// first gets it then. The page stays where it is: what a reason is asked for stands above the field, to be read first.
function focusFirst() {
  if (document.activeElement === document.body) {
    document.querySelector("[autofocus], [data-focus]")?.focus({ preventScroll: true });
  }
}

document.addEventListener("alpine:initialized", focusFirst);
focusFirst();
