"""What a person does all day: log in, open an anomaly, understand it, acknowledge it, see it in the history."""

from datetime import timedelta

from playwright.sync_api import expect

from anomalies.models import Anomaly, Change
from tests.e2e.conftest import excursion


def test_log_in_open_acknowledge_and_see_the_history(desk, world):
    page = desk.go("/app/inbox")
    page.get_by_role("link", name="rds.cpu.utilization").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("rds.cpu.utilization")
    expect(page.locator(".sentence strong").first).to_have_text("253")
    expect(page.locator("#plot canvas")).to_be_visible()
    expect(page.locator(".why dt").first).to_have_text("Off the forecast")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".headline .status")).to_have_text("Acknowledged")
    expect(page.locator(".timeline li").last).to_contain_text("Alice Lee acknowledged it")
    expect(page.locator("#notice .said span")).to_have_text("Acknowledged.")
    assert Anomaly.objects.get(pk=world.anomalies[0].pk).status == "Acknowledged"
    assert Change.objects.get().changeset == {"status": ["Active", "Acknowledged"]}


def test_a_description_is_written_and_stays(desk, world):
    page = desk.go(f"/app/anomalies/{world.anomalies[0].pk}")
    page.get_by_text("Add what people should know").click()
    page.get_by_role("textbox", name="Description").fill("Clocks went back.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".prose")).to_have_text("Clocks went back.")
    page.reload()
    expect(page.locator(".timeline q")).to_have_text("Clocks went back.")


def test_triage_with_the_keyboard_alone(desk, world):
    page = desk.go("/app/inbox")
    page.keyboard.press("j")
    expect(page.locator("tr.here .name")).to_have_text("rds.cpu.utilization")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("taxi.rides.half_hourly")
    expect(page.locator(".bar .mute").first).to_have_text("2 of 3")
    page.keyboard.press("j")
    expect(page.get_by_role("heading", level=1)).to_have_text("api.request.latency.p95")
    page.keyboard.press("k")
    expect(page.get_by_role("heading", level=1)).to_have_text("taxi.rides.half_hourly")
    page.keyboard.press("u")
    expect(page.locator("tr.here .name")).to_have_text("taxi.rides.half_hourly")
    page.keyboard.press("e")
    expect(page.locator("#outcome")).to_contain_text("1 changed.")
    expect(page.locator("tr.here .status")).to_have_text("Acknowledged")
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page.get_by_role("heading", level=1)).to_have_text("Metrics")
    assert Anomaly.objects.get(pk=world.anomalies[1].pk).status == "Acknowledged"


def test_several_are_selected_and_acknowledged(desk):
    page = desk.go("/app/inbox")
    expect(page.locator(".bulk")).to_be_hidden()
    for key in "jxkjjx":
        page.keyboard.press(key)
    expect(page.locator(".bulk strong")).to_have_text("2 selected")
    page.keyboard.press("e")
    expect(page.locator("#outcome")).to_contain_text("2 changed.")
    expect(page.locator(".tabs [aria-current]")).to_have_text("Open 3")
    expect(page.locator(".bulk strong")).to_have_text("2 selected")
    page.get_by_role("link", name="Acknowledged 2").click()
    expect(page.locator(".rows tbody tr")).to_have_count(2)
    expect(page.locator(".bulk strong")).to_have_text("2 selected")


def test_a_range_is_selected_with_shift(desk):
    page = desk.go("/app/inbox")
    boxes = page.locator('input[name="id"]')
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(page.locator(".bulk strong")).to_have_text("3 selected")
    page.get_by_label("Select all on this page").click()
    expect(page.locator(".bulk")).to_be_hidden()


def test_keys_are_letters_while_one_types(desk):
    page = desk.go("/app/inbox")
    page.keyboard.press("/")
    page.keyboard.type("jek taxi")
    expect(page.get_by_label("Search message, series or id")).to_have_value("jek taxi")
    expect(page.get_by_text("Nothing matches these filters")).to_be_visible()
    page.get_by_label("Search message, series or id").fill("taxi")
    expect(page.locator(".rows tbody tr")).to_have_count(1)
    assert page.url.endswith("/app/inbox?search=taxi")
    assert Change.objects.count() == 0


def test_keys_can_be_turned_off(desk):
    page = desk.go("/app/inbox")
    page.keyboard.press("?")
    page.get_by_label("Single keys do something").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("j")
    expect(page.locator("tr.here")).to_have_count(0)
    page.reload()
    page.keyboard.press("?")
    expect(page.locator("#keys-sheet")).to_be_hidden()


def test_filters_are_in_the_address_and_the_way_back_works(desk):
    page = desk.go("/app/inbox")
    page.get_by_role("checkbox", name="metric 3").check()
    expect(page.locator(".chips .chip")).to_contain_text("type: metric")
    assert page.url.endswith("/app/inbox?anomaly_type=metric")
    page.go_back()
    expect(page.locator(".chips .chip")).to_have_count(0)


def test_new_ones_are_announced_and_the_list_stays(desk, world):
    desk.page.clock.install()
    page = desk.go("/app/inbox")
    excursion(world.metric, ago=timedelta(minutes=1))
    page.clock.fast_forward(16_000)
    expect(page.locator(".new-bar")).to_have_text("1 new · show")
    expect(page.locator(".rows tbody tr")).to_have_count(3)
    page.locator(".new-bar").click()
    expect(page.locator(".rows tbody tr")).to_have_count(4)


def test_everything_needed_works_without_javascript(open_desk, world):
    desk = open_desk(java_script_enabled=False)
    page = desk.go("/app/inbox?search=taxi")
    page.get_by_role("link", name="taxi.rides.half_hourly").click()
    expect(page.get_by_alt_text("The series around the anomaly")).to_be_visible()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".headline .status")).to_have_text("Acknowledged")
    expect(page.locator("#notice")).to_have_text("Acknowledged.")
    page.get_by_role("link", name="table").click()
    expect(page.locator("tbody tr").first).to_be_visible()
