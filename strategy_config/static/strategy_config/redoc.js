// Redoc shows its maker's logo from another host, which the page's policy refuses with an error in the console.
// Pictures of other hosts are left out before they are asked for.
const picture = HTMLImageElement.prototype;
const setAttribute = picture.setAttribute;
const source = Object.getOwnPropertyDescriptor(picture, "src");

function isOurs(url) {
  return new URL(url, location.href).origin === location.origin;
}

picture.setAttribute = function (name, value) {
  if (name !== "src" || isOurs(value)) setAttribute.call(this, name, value);
};
Object.defineProperty(picture, "src", {
  ...source,
  set(url) { if (isOurs(url)) source.set.call(this, url); },
});
