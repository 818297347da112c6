"""The page that shows a sandbox live, in a real browser."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appcues_async import AppcuesClient
from appcues_async.sandbox import Answer, Reset, Sandbox
from tests.conftest import AT_ONCE, SOON

if "APPCUES_GATE" not in os.environ:
    pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.browser

BROWSER = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    if BROWSER is None or DRIVER is None:
        # The gate installs both, and must not pass by leaving this out.
        assert "APPCUES_GATE" not in os.environ, "chromium or chromedriver is missing"
        pytest.skip("chromium and chromedriver are not installed")
    options = ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def served() -> Iterator[Sandbox]:
    with Sandbox(rate_limit=None, job_seconds=30) as sandbox:
        yield sandbox


@pytest.fixture
def page(browser: Chrome, served: Sandbox) -> Iterator[Chrome]:
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    # The page of the test before asks a sandbox that is gone, until it is left.
    browser.get("about:blank")
    log(browser)
    browser.get(served.inspector_url)
    wait(browser, lambda: text(browser, "connection") == "Live")
    yield browser
    assert log(browser) == [], "the page has errors"


def log(browser: Chrome) -> list[dict[str, Any]]:
    """What the browser had to say since it was last asked."""
    untyped: Any = browser
    return [*untyped.get_log("browser")]


def wait(browser: Chrome, reached: Callable[[], object]) -> None:
    WebDriverWait(browser, 15, poll_frequency=0.05).until(lambda _: reached())


def text(browser: Chrome, name: str) -> str:
    # Read at once: what is found may have been replaced before it is read.
    found = browser.execute_script("return document.getElementById(arguments[0]).innerText", name)
    return str(found)


def shows(browser: Chrome, name: str, *parts: str) -> None:
    """Waits until an element shows all of some text."""

    def shown() -> bool:
        found = " ".join(text(browser, name).split())
        return all(part in found for part in parts)

    wait(browser, shown)


def set_width(browser: Chrome, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def use(sandbox: Sandbox) -> str:
    """Uploads and sends, and returns the id of a segment."""

    async def send() -> str:
        async with AppcuesClient(
            **sandbox.credentials, retry=SOON, polling=AT_ONCE, throttle=None
        ) as client:
            segment = await client.segments.create("Beta testers")
            await client.imports.profiles([{"user_id": "007", "plan": "<b>pro</b>"}])
            await client.segments.add_user_ids(segment.id, ["007", "008"])
            await client.users.track_event("007", "Signed up", attributes={"n": 1})
            return segment.id

    return asyncio.run(send())


def test_it_shows_what_comes_in(page: Chrome, served: Sandbox) -> None:
    shows(page, "request-rows", "No requests yet")
    use(served)
    shows(page, "totals", "4 requests", "2 jobs", "1 event", "1 segment")
    shows(page, "request-rows", "POST /import/profiles 202", "POST /users/007/events 200")
    shows(page, "request-rows", '{"user_id":"007","plan":"<b>pro</b>"}')
    shows(page, "jobs", "Import Profiles", "IN_PROGRESS", "1 row, ")
    shows(page, "events", "Signed up · 007", '{"n":1}')
    served.advance(30)
    shows(page, "jobs", "COMPLETED", "2 rows ingested, 0 failed")
    shows(page, "profiles", "007", '{"plan":"<b>pro</b>"}')
    shows(page, "segments", "Beta testers (2 users) 007, 008")
    assert page.execute_script("return document.querySelectorAll('dd b').length") == 0


def test_retries_and_lost_answers_are_shown(page: Chrome, served: Sandbox) -> None:
    served.faults.add(Answer(503), path="/import/profiles", times=2)
    served.faults.add(Reset(applied=True), path="add_user_ids")
    use(served)
    shows(page, "request-rows", "503 retry 1", "202 retry 2", "cut, applied", "202 retry 1")
    shows(page, "faults", "answer 2 of 2, over", "reset 1 of 1, over")
    set_width(page, 360)
    shows(page, "request-rows", "202 retry 1")


def test_a_failed_jobs_bar_is_red(page: Chrome, served: Sandbox) -> None:
    served.fail_next_job()
    use(served)
    served.advance(30)
    shows(page, "jobs", "FAILED", "COMPLETED")
    bars = "return [...document.querySelectorAll('progress')].map((one) => one.className)"
    assert page.execute_script(bars) == ["", "failed"]


def test_the_chart_counts_requests_against_the_limit(page: Chrome, served: Sandbox) -> None:
    shows(page, "limit", "no limit")
    use(served)
    served.rate_limit = 9
    shows(page, "limit", "last minute: ", " at most, limit 9")
    title = "return document.getElementById('chart-title').textContent"
    wait(page, lambda: page.execute_script(title).startswith("4 requests in the last minute"))
    assert page.execute_script("return document.querySelectorAll('#chart rect.ok').length") >= 1
    assert page.execute_script("return document.querySelectorAll('#chart line.limit').length") == 1


@pytest.mark.parametrize(("button", "seconds"), [("+1 min", 60), ("+1 h", 3600)])
def test_the_clock_moves(page: Chrome, served: Sandbox, button: str, seconds: int) -> None:
    use(served)
    before = served.time()
    page.find_element(By.XPATH, f"//button[text()='{button}']").click()
    wait(page, lambda: served.time() - before >= seconds)
    shows(page, "jobs", "COMPLETED")


def test_a_fault_is_added_with_the_keyboard_and_cleared(page: Chrome, served: Sandbox) -> None:
    Select(page.find_element(By.ID, "kind")).select_by_visible_text("reset, applied")
    page.find_element(By.ID, "path").send_keys(
        "/import/", Keys.TAB, Keys.BACKSPACE, "3", Keys.ENTER
    )
    shows(page, "faults", "reset", "0 of 3", "any method /import/", "applied true")
    (fault,) = served.faults.instructions
    assert fault.fault == Reset(applied=True)
    page.find_element(By.ID, "clear-faults").send_keys(Keys.SPACE)
    shows(page, "faults", "No faults")


def test_a_fault_that_makes_no_sense_is_said(page: Chrome, served: Sandbox) -> None:
    page.find_element(By.ID, "path").send_keys("(", Keys.ENTER)
    shows(page, "fault-error", "missing )")
    assert [one["level"] for one in log(page)] == ["SEVERE"]  # the 400 itself


def test_it_starts_over_when_that_is_confirmed(page: Chrome, served: Sandbox) -> None:
    use(served)
    page.find_element(By.ID, "reset").click()
    page.switch_to.alert.dismiss()
    assert served.requests
    page.find_element(By.ID, "reset").click()
    page.switch_to.alert.accept()
    shows(page, "totals", "0 requests")
    assert served.requests == []


def test_it_pauses(page: Chrome, served: Sandbox) -> None:
    page.find_element(By.ID, "pause").click()
    shows(page, "connection", "Paused")
    use(served)
    assert "0 requests" in " ".join(text(page, "totals").split())
    page.find_element(By.ID, "pause").click()
    shows(page, "totals", "4 requests")


def test_without_the_token_it_asks_for_it(browser: Chrome, served: Sandbox) -> None:
    served.profiles["007"] = {"plan": "golden"}
    browser.get(served.url)
    shows(browser, "connection", "Locked")
    assert "golden" not in browser.page_source.partition("<main")[2]
    browser.find_element(By.ID, "token").send_keys(served.token, Keys.ENTER)
    shows(browser, "profiles", "007")
    assert log(browser) == []


def test_a_sandbox_that_is_gone_is_said(page: Chrome, served: Sandbox) -> None:
    served.__exit__(None, None, None)
    shows(page, "connection", "The sandbox does not answer")
    log(page)  # the failed requests themselves


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_it_fits_the_screen(page: Chrome, served: Sandbox, width: int) -> None:
    use(served)
    set_width(page, width)
    shows(page, "totals", "4 requests")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_either_scheme(page: Chrome, scheme: str) -> None:
    features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    for name in ("--text", "--faint", "--ok", "--refused", "--failed"):
        assert contrast(page, name, "--card") >= 4.5, name


def contrast(browser: Chrome, first: str, second: str) -> float:
    """The contrast of two colours as WCAG 2 has it."""

    def luminance(name: str) -> float:
        script = "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])"
        colour = str(browser.execute_script(script, name)).strip().lstrip("#")
        parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)
