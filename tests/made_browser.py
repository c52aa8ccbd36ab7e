"""A real browser without a window, spoken to through its pipe: no package, no port."""

import base64
import json
import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def found():
    """Return the path of a Chromium, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page of a Chromium; use it in a ``with`` block.

    Parameters
    ----------
    address : str
    folder : path-like
        For the profile.
    width, height : int
        Of the window, in pixels.
    """

    def __init__(self, address, folder, width=1200, height=900):
        self.address, self.folder, self.size = address, folder, (width, height)
        self.count, self.session, self.errors = 0, None, []

    def __enter__(self):
        in_read, in_write = os.pipe()
        out_read, out_write = os.pipe()

        def into_place():
            # The browser reads from 3 and writes to 4.
            spare = [os.dup(in_read), os.dup(out_write)]
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        self.process = subprocess.Popen(
            [
                found(),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--remote-debugging-pipe",
                "--no-first-run",
                f"--user-data-dir={self.folder}",
                "about:blank",
            ],
            preexec_fn=into_place,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(in_read)
        os.close(out_write)
        self.write, self.read = os.fdopen(in_write, "wb", 0), os.fdopen(out_read, "rb")
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        width, height = self.size
        mobile = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        self.call("Page.navigate", url=self.address)
        self.wait("document.readyState === 'complete'")
        return self

    def __exit__(self, *_):
        self.write.close()
        self.process.kill()
        self.process.wait()
        self.read.close()

    def call(self, method, **parameters):
        """Send a command, and return its answer; what the page complains about is kept in ``errors``."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.write.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._line())
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.errors.append(answer["params"])
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _line(self):
        found = bytearray()
        while (byte := self.read.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("The browser has ended.")
            found += byte
        return bytes(found)

    def evaluate(self, expression):
        """Return the value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait(self, condition, tries=400):
        """Wait until a condition holds in the page."""
        pause = f"new Promise((done) => setTimeout(() => done({condition}), 25))"
        for _ in range(tries):
            if self.evaluate(pause):
                return
        raise RuntimeError(f"This has not become true: {condition}")

    def press(self, key, times=1):
        """Press a key of the keyboard."""
        codes = {"ArrowRight": 39, "ArrowLeft": 37, "Tab": 9, "End": 35, "Home": 36}
        for _ in range(times):
            for kind in ("rawKeyDown", "keyUp"):
                self.call(
                    "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key]
                )

    def click(self, x, y):
        """Click at a place of the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self):
        """Return the whole page as the bytes of a PNG file."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])
