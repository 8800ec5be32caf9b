"""SNS topics of the template: each is subscribed once and may send, and its failed deliveries are kept."""

from typing import Any

import pytest

from template_reader import allowances, listed
from transformed import REGION, TransformFailed, arn, resources, transformed


def test_without_topics_nothing_is_subscribed() -> None:
    """CloudFormation reads an empty list as a list with one empty text."""
    document = transformed()
    assert resources(document, "AWS::SNS::Subscription") == {}
    left_out = [each for each in document["Resources"].values() if each["Type"] == "AWS::SNS::Subscription"]
    # CloudFormation evaluates their properties, and would fail on the fourth part of an empty text.
    assert [each["Properties"]["Region"] for each in left_out] == ["", "", ""]
    allowed = [*allowances(document["Resources"]["QueuePolicy"])]
    assert [each["Principal"] for each in allowed] == [{"Service": "events.amazonaws.com"}]
    assert not [*allowances(document["Resources"]["DeadLetterQueuePolicy"])]


def test_each_topic_is_subscribed_after_it_may_send_and_its_failures_are_kept() -> None:
    """The policies come first. A message that SNS cannot deliver goes to the dead-letter queue."""
    topics = [arn("ovens"), arn("a-b"), arn("c_d")]
    document = transformed(SnsTopicArns=",".join(topics[:2]), MoreSnsTopicArns=topics[2])
    made = resources(document, "AWS::SNS::Subscription").values()
    assert sorted(each["Properties"]["TopicArn"] for each in made) == sorted(topics)
    for each in made:
        assert set(each["DependsOn"]) == {"QueuePolicy", "DeadLetterQueuePolicy"}
        target = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
        assert each["Properties"]["RedrivePolicy"] == {"deadLetterTargetArn": target}
        assert each["Properties"]["Region"] == REGION
    for policy in ("QueuePolicy", "DeadLetterQueuePolicy"):
        assert sorted(_topics_that_may_send(document, policy)) == sorted(topics)


def test_a_topic_of_another_region_is_subscribed_there() -> None:
    """SNS requires a dead-letter queue in the topic's region, and the stack has no queue there."""
    topic = arn("ovens", "us-east-1")
    document = transformed(OtherRegionSnsTopicArns=topic)
    (made,) = resources(document, "AWS::SNS::Subscription").values()
    assert made["DependsOn"] == "QueuePolicy"
    assert made["Properties"]["Region"] == "us-east-1"
    assert "RedrivePolicy" not in made["Properties"]
    assert _topics_that_may_send(document, "QueuePolicy") == [topic]
    assert _topics_that_may_send(document, "DeadLetterQueuePolicy") == []


def test_topics_whose_names_differ_only_in_signs_need_the_second_list() -> None:
    """A subscription's name has only letters and digits. A collision is an error, so no topic is dropped."""
    pair = [arn("oven-alarms"), arn("oven_alarms")]
    with pytest.raises(TransformFailed, match="conflict with existing entries"):
        transformed(SnsTopicArns=",".join(pair))
    document = transformed(SnsTopicArns=pair[0], MoreSnsTopicArns=pair[1])
    made = resources(document, "AWS::SNS::Subscription")
    assert sorted(each["Properties"]["TopicArn"] for each in made.values()) == sorted(pair)


def _topics_that_may_send(document: dict[str, Any], policy: str) -> list[str]:
    return [
        topic
        for each in allowances(document["Resources"][policy])
        if each["Principal"] == {"Service": "sns.amazonaws.com"}
        for topic in listed(each["Condition"]["ArnEquals"]["aws:SourceArn"])
    ]
