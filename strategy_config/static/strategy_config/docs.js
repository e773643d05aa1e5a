// Swagger UI with what a screen reader needs.
const place = document.getElementById("swagger-ui");

// A link within the button that opens an operation: it takes the focus twice and does the same.
const plainPaths = () => ({
  components: { DeepLink: ({ text }) => text },
});

// The choices of an operation come without a name.
function nameChoices() {
  for (const choice of place.querySelectorAll("select:not([aria-label], [id])")) {
    choice.ariaLabel = choice.closest("[data-param-name]")?.dataset.paramName ?? "Example";
  }
  for (const sample of place.querySelectorAll("pre.microlight:not([tabindex])")) sample.tabIndex = 0;
}

function withCsrfToken(request) {
  if (request.method !== undefined && request.method !== "GET") {
    request.headers[place.dataset.csrfHeader] = place.dataset.csrfToken;
  }
  return request;
}

new MutationObserver(nameChoices).observe(place, { childList: true, subtree: true });
SwaggerUIBundle({
  url: place.dataset.schemaUrl,
  domNode: place,
  plugins: [plainPaths],
  requestInterceptor: withCsrfToken,
  deepLinking: true,
  persistAuthorization: true,
  displayRequestDuration: true,
});
