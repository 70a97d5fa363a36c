(function () {
  var root = document.documentElement;
  try {
    var theme = localStorage.getItem("iot.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    var density = localStorage.getItem("iot.density");
    if (density === "compact" || density === "roomy") root.dataset.density = density;
    var language = localStorage.getItem("iot.language");
    if (language === "ru" || language === "en") root.lang = language;
  } catch (error) {
    root.dataset.storage = "none";
  }
})();
