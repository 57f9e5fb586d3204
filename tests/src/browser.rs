//! A real browser, as a phone has it: Chromium, driven over WebDriver's HTTP (Debian: `chromium`, `chromium-driver`; `make packages-test`).

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::{SOON, wait_for};

/// An element's reference, by the name the standard gave it.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What a browser is like.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Languages in order, such as `zh-CN,zh`.
    pub languages: &'static str,
    /// Whether pages may run scripts.
    pub scripts: bool,
}

/// A browser with a profile of its own; stopped when dropped.
pub struct Browser {
    http: reqwest::Client,
    /// The session's address.
    session: String,
    profile: PathBuf,
    driver: Child,
}

impl Browser {
    /// Starts one with a screen of 390 x 844 points.
    ///
    /// # Panics
    /// When Chromium or its driver are missing, or do not start.
    pub async fn start(look: Look) -> Browser {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--allowed-ips=127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is needed: sudo make packages-test (Debian: chromium, chromium-driver)");
        let port = port(&mut driver).await;
        let number = crate::database::next_number();
        let profile = std::env::temp_dir().join(format!("herald-browser-{}-{number}", std::process::id()));
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build();
        let http = http.expect("a plain HTTP client can be made");
        let mut browser =
            Browser { http, session: format!("http://127.0.0.1:{port}/session"), profile, driver };
        let wanted = json!({"capabilities": {"alwaysMatch": capabilities(look, &browser.profile)}});
        let made = browser.call(Method::POST, "", Some(wanted)).await.expect("a browser starts");
        let id = made["sessionId"].as_str().expect("a session has an id");
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    /// One command; its value.
    ///
    /// # Errors
    /// What the driver says when it cannot be done.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.body(body.to_string()).header("content-type", "application/json");
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let good = answer.status().is_success();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let value = serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())?["value"].take();
        if good { Ok(value) } else { Err(value.to_string()) }
    }

    async fn done(&self, path: &str, body: Value) -> Value {
        let done = self.call(Method::POST, path, Some(body)).await;
        done.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Goes to a page and waits until it is loaded, images too.
    ///
    /// # Panics
    /// When it cannot be had.
    pub async fn open(&self, url: &str) {
        self.done("/url", json!({"url": url})).await;
    }

    /// The page's address.
    ///
    /// # Panics
    /// When there is none.
    pub async fn url(&self) -> String {
        let url = self.call(Method::GET, "/url", None).await.expect("a page has an address");
        url.as_str().unwrap_or_default().to_owned()
    }

    /// The page's title.
    ///
    /// # Panics
    /// When there is none.
    pub async fn title(&self) -> String {
        let title = self.call(Method::GET, "/title", None).await.expect("a page has a title");
        title.as_str().unwrap_or_default().to_owned()
    }

    async fn element(&self, css: &str) -> Result<String, String> {
        let wanted = json!({"using": "css selector", "value": css});
        let found = self.call(Method::POST, "/element", Some(wanted)).await?;
        Ok(found[ELEMENT].as_str().unwrap_or_default().to_owned())
    }

    /// What is to be read in an element; waits until there is one.
    ///
    /// # Panics
    /// When there is none soon.
    pub async fn text(&self, css: &str) -> String {
        wait_for(&format!("the page has {css}"), SOON, async || {
            let element = self.element(css).await.ok()?;
            let text = self.call(Method::GET, &format!("/element/{element}/text"), None).await.ok()?;
            Some(text.as_str()?.to_owned())
        })
        .await
    }

    /// Whether the page has such an element now.
    pub async fn has(&self, css: &str) -> bool {
        self.element(css).await.is_ok()
    }

    /// Where an element is and how large, in points: x, y, width, height.
    ///
    /// # Panics
    /// When there is none.
    pub async fn place(&self, css: &str) -> [f64; 4] {
        let element = self.element(css).await.unwrap_or_else(|error| panic!("{css}: {error}"));
        let place = self.call(Method::GET, &format!("/element/{element}/rect"), None).await;
        let place = place.unwrap_or_else(|error| panic!("{css}: {error}"));
        ["x", "y", "width", "height"].map(|name| place[name].as_f64().unwrap_or_default())
    }

    /// Touches an element, where a finger would.
    ///
    /// # Panics
    /// When there is none, or something lies over it.
    pub async fn click(&self, css: &str) {
        let element = self.element(css).await.unwrap_or_else(|error| panic!("{css}: {error}"));
        self.done(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Types into an element.
    ///
    /// # Panics
    /// When there is none.
    pub async fn enter(&self, css: &str, text: &str) {
        let element = self.element(css).await.unwrap_or_else(|error| panic!("{css}: {error}"));
        self.done(&format!("/element/{element}/value"), json!({"text": text})).await;
    }

    /// As if the phone were set to dark.
    ///
    /// # Panics
    /// When it cannot be set.
    pub async fn dark(&self) {
        let features = json!([{"name": "prefers-color-scheme", "value": "dark"}]);
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.done("/goog/cdp/execute", command).await;
    }

    /// How wide the page is, in points: more than the screen has to be pushed about.
    ///
    /// # Panics
    /// When it cannot be measured.
    pub async fn width(&self) -> f64 {
        let command = json!({"cmd": "Page.getLayoutMetrics", "params": {}});
        let metrics = self.done("/goog/cdp/execute", command).await;
        metrics["cssContentSize"]["width"].as_f64().unwrap_or_default()
    }

    /// A picture of the whole page, as PNG.
    ///
    /// # Panics
    /// When it cannot be had.
    pub async fn picture(&self) -> Vec<u8> {
        let params = json!({"format": "png", "captureBeyondViewport": true});
        let command = json!({"cmd": "Page.captureScreenshot", "params": params});
        let taken = self.done("/goog/cdp/execute", command).await;
        STANDARD.decode(taken["data"].as_str().unwrap_or_default()).expect("a picture is base64")
    }

    /// What the console said since it was last asked: errors, warnings, whatever the policy forbade.
    ///
    /// # Panics
    /// When it cannot be had.
    pub async fn console(&self) -> Vec<String> {
        let lines = self.done("/se/log", json!({"type": "browser"})).await;
        let message = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
        lines.as_array().into_iter().flatten().map(message).collect()
    }

    /// Addresses that were asked for since it was last asked, by pages and whatever is in them.
    ///
    /// # Panics
    /// When they cannot be had.
    pub async fn requests(&self) -> Vec<String> {
        let lines = self.done("/se/log", json!({"type": "performance"})).await;
        let request = |line: &Value| {
            let event: Value = serde_json::from_str(line["message"].as_str()?).ok()?;
            let sent = event["message"]["method"] == "Network.requestWillBeSent";
            sent.then(|| event["message"]["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
        };
        lines.as_array().into_iter().flatten().filter_map(request).collect()
    }

    /// Stops it and waits for its end.
    pub async fn stop(mut self) {
        drop(self.call(Method::DELETE, "", None).await);
        drop(self.driver.kill().await);
        drop(std::fs::remove_dir_all(&self.profile));
    }
}

/// The port a driver that was started with port 0 has taken.
async fn port(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().expect("it was piped")).lines();
    let found = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, port)) = line.split_once("successfully on port ") {
                return port.trim_end_matches('.').parse().ok();
            }
        }
        None
    };
    let port = tokio::time::timeout(SOON, found).await.ok().flatten();
    let port = port.expect("chromedriver says its port");
    // Somebody has to read what it says later, or it may stop for want of room.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    port
}

fn capabilities(look: Look, profile: &std::path::Path) -> Value {
    let mut arguments: Vec<String> = [
        "--headless",
        // Root, as in many containers, gets no sandbox. The pages are ours.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    arguments.push(format!("--lang={}", look.languages.split(',').next().unwrap_or_default()));
    let mut settings = json!({"intl.accept_languages": look.languages});
    if !look.scripts {
        settings["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    // Without touch: a click that the driver makes of touches never ends in Chromium 148.
    let phone = json!({"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 1.5, "touch": false}});
    json!({
        "browserName": "chrome",
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        "goog:chromeOptions": {"args": arguments, "prefs": settings, "mobileEmulation": phone},
    })
}
