"""A paid step is found by its name, and a summary also without the link where its conversation was cut."""

from deploy.prompts.paid_steps import whole_name

STEPS = ("think-1", "think-12", "compact-1-1b84c0de", "compact-12-0a0b0c0d", "generate-repair-1")


def test_a_summary_is_found_by_its_number() -> None:
    assert whole_name(STEPS, "compact-1") == "compact-1-1b84c0de"
    assert whole_name(STEPS, "compact-12") == "compact-12-0a0b0c0d"
    assert whole_name(STEPS, "compact-1-1b84c0de") == "compact-1-1b84c0de"
    assert whole_name(["compact-1", "compact-2"], "compact-2") == "compact-2", "as summaries were called before"


def test_no_other_step_is_found_by_a_part_of_its_name() -> None:
    for step in ("think", "think-2", "compact", "generate", "generate-repair", "compact-1-1b84"):
        assert whole_name(STEPS, step) is None


def test_two_summaries_of_one_number_have_to_be_told_apart() -> None:
    assert whole_name([*STEPS, "compact-1-ffffffff"], "compact-1") is None
    assert whole_name([*STEPS, "compact-1-ffffffff"], "compact-1-ffffffff") == "compact-1-ffffffff"
