// Shows /openapi.json of the server that this page came from. Calls go back to that server, whatever name it has for itself,
// since the page's CSP allows no other.
fetch("/openapi.json")
  .then((answer) => {
    if (!answer.ok) throw new Error(`/openapi.json answered ${answer.status}`);
    return answer.json();
  })
  .then((spec) => {
    spec.servers = [{ url: location.origin }];
    SwaggerUIBundle({
      spec,
      dom_id: "#docs",
      presets: [SwaggerUIBundle.presets.apis],
      deepLinking: true,
      tryItOutEnabled: true,
      validatorUrl: null,
      defaultModelsExpandDepth: 0,
    });
  })
  .catch((error) => {
    document.querySelector("#docs .wait").textContent = `The API description could not be loaded: ${error.message}`;
  });
