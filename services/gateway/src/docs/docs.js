// Shows /openapi.json of the server that this page came from. Calls go back to that server, whatever name it has for itself,
// since the page's CSP allows no other.
const LOGIN = "/auth/login";
const SIGN_IN = [LOGIN, "/auth/refresh"];

fetch("/openapi.json")
  .then((answer) => {
    if (!answer.ok) throw new Error(`/openapi.json answered ${answer.status}`);
    return answer.json();
  })
  .then((spec) => {
    spec.servers = [{ url: location.origin }];
    const ui = SwaggerUIBundle({
      spec: loginFirst(spec),
      dom_id: "#docs",
      presets: [SwaggerUIBundle.presets.apis],
      deepLinking: true,
      tryItOutEnabled: true,
      validatorUrl: null,
      defaultModelsExpandDepth: 0,
      // Who signs in here is signed in for the calls after it. The token stays in this page.
      responseInterceptor: (answer) => {
        const token = SIGN_IN.includes(new URL(answer.url).pathname) && answer.ok && answer.body?.accessToken;
        if (token) ui.preauthorizeApiKey("bearer", token);
        return answer;
      },
    });
  })
  .catch((error) => {
    document.querySelector("#docs .wait").textContent = `The API description could not be loaded: ${error.message}`;
  });

// The document is sorted by name; a reader begins with how to sign in.
function loginFirst(spec) {
  const login = spec.paths[LOGIN];
  if (login) {
    const first = (tag) => login.post.tags.includes(tag.name);
    spec.tags.sort((a, b) => first(b) - first(a));
    spec.paths = { [LOGIN]: login, ...spec.paths };
  }
  return spec;
}
