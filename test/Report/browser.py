"""A headless Chromium, driven through its DevTools protocol over a pipe: only Python's standard library, no network.

    with Browser() as browser:
        page = browser.open(path, width=1400, height=900)
        page.evaluate("document.title")
        page.click(100, 200)
        page.screenshot("page.png")
        page.problems   # what the console complained of, and what was asked of the network
"""

import base64
import collections
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE = 120  # seconds until a browser that says nothing has failed


class BrowserError(Exception):
    pass


class Browser:
    def __init__(self):
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not program:
            raise BrowserError("no Chromium found; run scripts/install-deps.sh")
        self.folder = tempfile.TemporaryDirectory(prefix="bigmac-browser", ignore_cleanup_errors=True)
        self.received = b""
        self.number = 0
        self.events = collections.deque()
        read_commands, self.commands = os.pipe()
        self.replies, write_replies = os.pipe()

        # The browser reads commands from descriptor 3 and writes to 4; these may be others' here.
        away = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (read_commands, write_replies)]

        def connect():
            os.dup2(away[0], 3)
            os.dup2(away[1], 4)

        self.log = open(pathlib.Path(self.folder.name) / "log", "wb")
        self.process = subprocess.Popen(
            [
                program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
                "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe",
                f"--user-data-dir={self.folder.name}/profile", "about:blank",
            ],
            close_fds=False, preexec_fn=connect, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        for fd in (read_commands, write_replies, *away):
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.send("Browser.close")
            self.process.wait(timeout=20)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.commands)
        os.close(self.replies)
        self.log.close()
        self.folder.cleanup()

    def open(self, path, width=1400, height=900, dark=False, ratio=1):
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        page.resize(width, height, ratio)
        page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        page.url = pathlib.Path(path).resolve().as_uri()
        page.send("Page.navigate", url=page.url)
        page.wait_for("Page.loadEventFired")
        return page

    def send(self, method, session=None, **parameters):
        """Sends a command and returns its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.commands, data):]
        number = self.number
        while True:
            reply = self.receive()
            if reply.get("id") == number:
                if "error" in reply:
                    raise BrowserError(f"{method}: {reply['error']['message']}")
                return reply["result"]
            self.events.append(reply)

    def receive(self):
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self.received:
            ready, _, _ = select.select([self.replies], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.replies, 1 << 20) if ready else b""
            if not data:
                self.log.flush()
                said = pathlib.Path(self.log.name).read_text(errors="replace")[-2000:]
                raise BrowserError(f"the browser {'ended' if ready else 'does not answer'}; it said:\n{said}")
            self.received += data
        text, self.received = self.received.split(b"\0", 1)
        return json.loads(text)


class Page:
    def __init__(self, browser, session):
        self.browser = browser
        self.session = session
        self.url = None
        self.seen = []

    def send(self, method, **parameters):
        return self.browser.send(method, self.session, **parameters)

    def wait_for(self, method):
        while True:
            while self.browser.events:
                event = self.browser.events.popleft()
                self.seen.append(event)
                if event["method"] == method and event.get("sessionId") == self.session:
                    return event["params"]
            self.browser.events.append(self.browser.receive())

    def evaluate(self, expression):
        """The expression's value; a promise is waited for."""
        result = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise BrowserError(f"{expression[:200]}: {details.get('exception', {}).get('description', details['text'])}")
        return result["result"].get("value")

    @property
    def problems(self):
        """Errors and warnings of the console, uncaught exceptions, and every request but the one for the page."""
        self.seen.extend(self.browser.events)
        self.browser.events.clear()
        problems = []
        for event in self.seen:
            if event.get("sessionId") != self.session:
                continue
            parameters = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                problems.append(f"exception: {parameters['exceptionDetails']}")
            elif event["method"] == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                problems.append(f"console: {parameters['args']}")
            elif event["method"] == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                problems.append(f"log: {parameters['entry']['text']}")
            elif event["method"] == "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                if url != self.url and not url.startswith("data:,"):
                    problems.append(f"request: {url[:200]}")
            elif event["method"] == "Page.javascriptDialogOpening":
                problems.append(f"dialog: {parameters['message']}")
        return problems

    def resize(self, width, height, ratio=1):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=False)

    def settle(self):
        """Waits until what was asked to be drawn is drawn."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def mouse(self, kind, x, y, **more):
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x, y):
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)
        self.settle()

    def drag(self, x0, y0, x1, y1):
        self.mouse("mousePressed", x0, y0, button="left", buttons=1, clickCount=1)
        for share in (0.3, 0.7, 1):
            self.mouse("mouseMoved", x0 + share * (x1 - x0), y0 + share * (y1 - y0), button="left", buttons=1)
        self.mouse("mouseReleased", x1, y1, button="left", clickCount=1)
        self.settle()

    def wheel(self, x, y, down, shift=False):
        self.mouse("mouseWheel", x, y, deltaX=0, deltaY=down, modifiers=8 if shift else 0)
        self.settle()

    def key(self, key, text=None):
        more = {"text": text} if text else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.settle()

    def screenshot(self, path, whole=False):
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))
