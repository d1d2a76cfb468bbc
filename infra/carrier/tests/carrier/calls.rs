//! Each way a call can go: the requests that Twilio would send, with their
//! parameters and in their order, and what each side notices.

use std::collections::{HashMap, HashSet};

use crate::backend::{ACCOUNT, Backend, OWNER, VIRTUAL, VISITOR};
use maskline_carrier::{CallPlan, CallStatus, OwnerDoes};

const DIAL: &str = r#"<Dial callerId="+14155550100" answerOnBridge="true" timeout="30"
    timeLimit="3600" action="/dial-status?call=7"><Number
    statusCallback="/status?call=7" statusCallbackEvent="initiated ringing answered completed"
    machineDetection="Enable" amdStatusCallback="/amd">+919876543210</Number></Dial>
    <Say>never reached</Say>"#;

fn plan(does: OwnerDoes) -> CallPlan {
    let mut plan = CallPlan::new(VISITOR, VIRTUAL);
    plan.owner.does = does;
    plan
}

async fn direct() -> Backend {
    Backend::with(&[("/connect", DIAL), ("/dial-status", "<Say>Goodbye.</Say>")]).await
}

#[tokio::test]
async fn an_answered_call_by_extension() {
    let gather = r#"<Gather numDigits="6" timeout="7" action="/connect2?try=1">
        <Say>Please key in the extension.</Say></Gather><Say>Nothing came.</Say>"#;
    let backend = Backend::with(&[
        ("/connect", gather),
        ("/connect2", DIAL),
        ("/dial-status", "<Say>Goodbye.</Say><Hangup/>"),
    ])
    .await;
    let mut plan = plan(OwnerDoes::Answers);
    plan.keys = vec![Some("123456".to_owned())];
    let transcript = backend.call(plan).await;

    assert_eq!(transcript.errors, []);
    let story = [
        "/connect ringing",
        "/connect2 123456",
        "/status initiated",
        "/status ringing",
        "/status in-progress",
        "/amd human",
        "/status human",
        "/dial-status completed",
    ];
    assert_eq!(backend.story(), story);
    assert_eq!(transcript.visitor.keyed, ["123456"]);
    let heard = [
        "say: Please key in the extension.",
        "ringing",
        "talks to the owner for 42 s",
        "say: Goodbye.",
        "hang-up",
    ];
    assert_eq!(transcript.visitor.heard, heard);
    assert_eq!(transcript.visitor.saw, VIRTUAL);
    assert_eq!(transcript.owner.saw.as_deref(), Some(VIRTUAL));
    assert_eq!(
        transcript.owner.heard,
        ["ringing", "talks to the visitor for 42 s", "hang-up"]
    );
    assert!(transcript.owner.rang && !transcript.owner_saw_visitor_number);
    assert_eq!(transcript.call_status, CallStatus::Completed);
    assert_eq!(transcript.dial_call_status, Some(CallStatus::Completed));
    let text = serde_json::to_string(&transcript).unwrap();
    assert!(
        !text.contains(&VISITOR[2..]) && !text.contains(&OWNER[3..]),
        "{text}"
    );
}

#[tokio::test]
async fn requests_carry_what_twilio_sends() {
    let backend = direct().await;
    let transcript = backend.call(plan(OwnerDoes::Answers)).await;
    let sid = transcript.call_sid.as_str();
    assert!(sid.len() == 34 && sid.starts_with("CA"));

    let voice = backend.one("/connect ringing");
    for (name, value) in [
        ("CallSid", sid),
        ("AccountSid", ACCOUNT),
        ("From", VISITOR),
        ("Caller", VISITOR),
        ("To", VIRTUAL),
        ("Called", VIRTUAL),
        ("Direction", "inbound"),
        ("ApiVersion", "2010-04-01"),
        ("FromCountry", "US"),
        ("FromCity", ""),
    ] {
        assert_eq!(voice.get(name), value, "{name}");
    }
    assert_eq!(voice.idempotency_token.len(), 36);

    let child = backend.one("/status initiated").get("CallSid").to_owned();
    assert_ne!(child, sid);
    for (number, status) in ["initiated", "ringing", "in-progress"].iter().enumerate() {
        let seen = backend.one(&format!("/status {status}"));
        for (name, value) in [
            ("CallSid", child.as_str()),
            ("ParentCallSid", sid),
            ("From", VIRTUAL),
            ("To", OWNER),
            ("Direction", "outbound-dial"),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", &number.to_string()),
        ] {
            assert_eq!(seen.get(name), value, "{status} {name}");
        }
        assert!(seen.get("Timestamp").ends_with(" +0000") && seen.get("CallDuration").is_empty());
    }
    let completed = backend.one("/status human");
    assert_eq!(completed.get("CallStatus"), "completed");
    assert_eq!(completed.get("CallDuration"), "42");
    assert_eq!(completed.get("Duration"), "1", "in minutes begun");
    assert_eq!(completed.get("SequenceNumber"), "3");
    let amd = backend.one("/amd human");
    assert_eq!(amd.get("CallSid"), child);
    assert_eq!(amd.get("MachineDetectionDuration"), "3200");
    assert!(amd.get("CallStatus").is_empty());

    let dial = backend.one("/dial-status completed");
    for (name, value) in [
        ("CallSid", sid),
        ("DialCallSid", &child),
        ("DialCallDuration", "42"),
        ("DialBridged", "true"),
        ("CallStatus", "in-progress"),
        ("From", VISITOR),
        ("Timestamp", ""),
    ] {
        assert_eq!(dial.get(name), value, "{name}");
    }
}

#[tokio::test]
async fn timestamps_follow_the_calls_own_time() {
    let backend = direct().await;
    let transcript = backend.call(plan(OwnerDoes::Answers)).await;
    let seconds = |index: usize| {
        let at: jiff::Timestamp = transcript.requests[index].at.parse().unwrap();
        at.as_second()
    };
    // voice, initiated, ringing, answered, amd, completed, dial-status
    let offsets: Vec<i64> = (0..7).map(|index| seconds(index) - seconds(0)).collect();
    assert_eq!(offsets, [0, 0, 1, 7, 10, 49, 49]);
}

#[tokio::test]
async fn calls_that_nobody_answers() {
    let ringing: &[&str] = &["/status initiated", "/status ringing"];
    let silent: &[&str] = &["/status initiated"];
    for (does, before, status, sip_code) in [
        (OwnerDoes::Busy, silent, "busy", "486"),
        (OwnerDoes::Fails, silent, "failed", "404"),
        (OwnerDoes::Declines, ringing, "busy", "603"),
        (OwnerDoes::NoAnswer, ringing, "no-answer", "487"),
    ] {
        let backend = direct().await;
        let transcript = backend.call(plan(does)).await;
        let (last, dial) = (
            format!("/status {status}"),
            format!("/dial-status {status}"),
        );
        let mut story = vec!["/connect ringing"];
        story.extend(before);
        story.extend([last.as_str(), dial.as_str()]);
        assert_eq!(backend.story(), story, "{does:?}");

        let completed = backend.one(&last);
        assert_eq!(completed.get("CallDuration"), "0");
        assert_eq!(completed.get("SipResponseCode"), sip_code);
        let action = backend.one(&dial);
        assert_eq!(action.get("DialBridged"), "false");
        assert!(!action.params.contains_key("DialCallDuration"));
        assert_eq!(
            action.get("CallStatus"),
            "ringing",
            "answerOnBridge keeps the call ringing"
        );
        assert_eq!(transcript.owner.rang, before.len() == 2);
        assert!(
            transcript
                .visitor
                .heard
                .contains(&"say: Goodbye.".to_owned())
        );
        assert_eq!(transcript.errors, []);
    }
}

#[tokio::test]
async fn an_owner_slower_than_the_timeout_does_not_answer() {
    let backend = direct().await;
    let mut slow = plan(OwnerDoes::Answers);
    slow.owner.rings_for = 31;
    let transcript = backend.call(slow).await;
    assert_eq!(transcript.dial_call_status, Some(CallStatus::NoAnswer));
    let mut just = plan(OwnerDoes::Answers);
    just.owner.rings_for = 30;
    let transcript = backend.call(just).await;
    assert_eq!(transcript.dial_call_status, Some(CallStatus::Completed));
}

#[tokio::test]
async fn a_talk_is_cut_at_the_time_limit() {
    let backend = direct().await;
    let mut long = plan(OwnerDoes::Answers);
    long.owner.talks_for = 5000;
    backend.call(long).await;
    assert_eq!(
        backend
            .one("/dial-status completed")
            .get("DialCallDuration"),
        "3600"
    );
    assert_eq!(backend.one("/status human").get("Duration"), "60");
}

#[tokio::test]
async fn a_visitor_who_gives_up_cancels_the_owners_leg() {
    let backend = direct().await;
    let mut impatient = plan(OwnerDoes::Answers);
    impatient.visitor.hangs_up_after = Some(4);
    let transcript = backend.call(impatient).await;
    let story = [
        "/connect ringing",
        "/status initiated",
        "/status ringing",
        "/status canceled",
        "/dial-status canceled",
    ];
    assert_eq!(backend.story(), story);
    assert_eq!(
        backend.one("/dial-status canceled").get("CallStatus"),
        "no-answer"
    );
    assert_eq!(
        transcript.visitor.heard,
        ["ringing", "hang-up"],
        "the answer is ignored"
    );

    let mut patient = plan(OwnerDoes::Answers);
    patient.visitor.hangs_up_after = Some(6);
    let transcript = backend.call(patient).await;
    assert_eq!(transcript.dial_call_status, Some(CallStatus::Completed));
}

#[tokio::test]
async fn a_visitor_who_ends_the_talk_hears_nothing_more() {
    let backend = direct().await;
    let mut plan = plan(OwnerDoes::Answers);
    plan.visitor.hangs_up_first = true;
    let transcript = backend.call(plan).await;
    assert_eq!(
        backend.one("/dial-status completed").get("CallStatus"),
        "completed"
    );
    let heard = ["ringing", "talks to the owner for 42 s", "hang-up"];
    assert_eq!(transcript.visitor.heard, heard);
}

#[tokio::test]
async fn a_voicemail_is_an_answer_by_a_machine() {
    let backend = direct().await;
    let transcript = backend.call(plan(OwnerDoes::Voicemail)).await;
    assert!(backend.story().contains(&"/amd machine_start".to_owned()));
    assert_eq!(
        backend.one("/status machine_start").get("CallStatus"),
        "completed"
    );
    assert_eq!(transcript.owner.heard[1], "(voicemail records 42 s)");

    let mut short = plan(OwnerDoes::Voicemail);
    short.owner.talks_for = 2;
    backend.call(short).await;
    assert_eq!(
        backend.one("/amd unknown").get("MachineDetectionDuration"),
        "2000"
    );
}

#[tokio::test]
async fn only_the_events_asked_for_are_reported() {
    let dial = r#"<Dial callerId="+14155550100"><Number statusCallback="/status"
        statusCallbackMethod="GET" statusCallbackEvent="ringing">+919876543210</Number></Dial>
        <Say>The document goes on.</Say>"#;
    let backend = Backend::with(&[("/connect", dial)]).await;
    let transcript = backend.call(plan(OwnerDoes::Answers)).await;
    assert_eq!(backend.story(), ["/connect ringing", "/status ringing"]);
    assert_eq!(backend.one("/status ringing").get("SequenceNumber"), "0");
    assert_eq!(transcript.errors, [], "a GET is signed, too");
    assert!(
        transcript
            .visitor
            .heard
            .contains(&"say: The document goes on.".to_owned())
    );
}

#[tokio::test]
async fn without_a_caller_id_the_owner_sees_the_visitor() {
    let backend = Backend::with(&[("/connect", "<Dial>+919876543210</Dial>")]).await;
    let transcript = backend.call(plan(OwnerDoes::Answers)).await;
    assert!(transcript.owner_saw_visitor_number);
    assert_eq!(transcript.owner.saw.as_deref(), Some("+1********23"));

    let says = "<Say>Please call 98765 43210 yourself.</Say>";
    let dial = format!(r#"<Dial callerId="+14155550100">{OWNER}</Dial>{says}"#);
    let backend = Backend::with(&[("/connect", dial.as_str())]).await;
    let transcript = backend.call(plan(OwnerDoes::Busy)).await;
    assert!(transcript.visitor_saw_owner_number && !transcript.owner_saw_visitor_number);
    assert!(!format!("{transcript:?}").contains("43210"));
}

#[tokio::test]
async fn a_foreign_caller_id_ends_the_call() {
    let dial = r#"<Dial callerId="+14155550199">+919876543210</Dial>"#;
    let backend = Backend::with(&[("/connect", dial)]).await;
    let transcript = backend.call(plan(OwnerDoes::Answers)).await;
    assert_eq!(transcript.errors[0].code, 13214);
    assert_eq!(transcript.owner.saw, None);
}

#[tokio::test]
async fn answer_on_bridge_works_only_as_the_first_verb() {
    let late = format!("<Say>One moment.</Say>{DIAL}");
    let backend = Backend::with(&[("/connect", late.as_str())]).await;
    backend.call(plan(OwnerDoes::Busy)).await;
    assert_eq!(
        backend.one("/dial-status busy").get("CallStatus"),
        "in-progress"
    );
}

#[tokio::test]
async fn keys_end_a_gather_in_every_way() {
    let asks = |attributes: &str| {
        format!(r#"<Gather action="/next" {attributes}/><Say>Nothing came.</Say>"#)
    };
    for (attributes, keyed, digits) in [
        (r#"numDigits="6""#, Some("123456"), Some("123456")),
        (r#"numDigits="4""#, Some("123456"), Some("1234")),
        (r#"numDigits="6""#, Some("12#3456"), Some("12")),
        (r#"numDigits="6""#, Some("12"), Some("12")),
        (r#"finishOnKey="*""#, Some("12#3*4"), Some("12#3")),
        (r#"finishOnKey="""#, Some("12#"), Some("12#")),
        (r#"numDigits="6""#, None, None),
        (r#"numDigits="6""#, Some("#"), None),
        (r#"actionOnEmptyResult="true""#, None, Some("")),
        (r#"input="speech""#, Some("1"), None),
    ] {
        let document = asks(attributes);
        let backend = Backend::with(&[("/connect", document.as_str())]).await;
        let mut plan = plan(OwnerDoes::Answers);
        plan.keys = vec![keyed.map(str::to_owned)];
        let transcript = backend.call(plan).await;
        let sent = backend
            .seen()
            .get(1)
            .map(|seen| seen.get("Digits").to_owned());
        assert_eq!(sent.as_deref(), digits, "{attributes} {keyed:?}");
        let heard = transcript
            .visitor
            .heard
            .contains(&"say: Nothing came.".to_owned());
        assert_eq!(heard, digits.is_none(), "{attributes} {keyed:?}");
    }

    let backend = Backend::with(&[("/connect", "<Gather><Say>Key in.</Say></Gather>")]).await;
    let mut leaves = plan(OwnerDoes::Answers);
    leaves.keys = vec![Some("1".to_owned())];
    leaves.visitor.hangs_up_in_gather = true;
    let transcript = backend.call(leaves).await;
    assert_eq!(backend.story(), ["/connect ringing"]);
    assert_eq!(transcript.visitor.heard, ["say: Key in.", "hang-up"]);
}

#[tokio::test]
async fn a_whisper_can_keep_a_machine_out() {
    let dial = r#"<Dial callerId="+14155550100" action="/dial-status"><Number url="/screen"
        statusCallback="/status">+919876543210</Number></Dial>"#;
    let screen = r#"<Gather numDigits="1" timeout="5" action="/accepted"><Say>Press 1.</Say></Gather>
        <Hangup/>"#;
    let backend = Backend::with(&[("/connect", dial), ("/screen", screen)]).await;
    let transcript = backend.call(plan(OwnerDoes::Voicemail)).await;
    let action = backend.one("/dial-status completed");
    assert_eq!(action.get("DialBridged"), "false");
    assert_eq!(action.get("DialCallDuration"), "6");
    assert_eq!(transcript.visitor.heard, ["ringing", "hang-up"]);

    let mut accepts = plan(OwnerDoes::Answers);
    accepts.owner.keys = vec![Some("1".to_owned())];
    let transcript = backend.call(accepts).await;
    let heard = [
        "ringing",
        "say: Press 1.",
        "talks to the visitor for 42 s",
        "hang-up",
    ];
    assert_eq!(transcript.owner.heard, heard);
    assert_eq!(backend.seen().last().unwrap().get("DialBridged"), "true");
}

#[tokio::test]
async fn the_first_of_several_phones_answers() {
    let dial = r#"<Dial callerId="+14155550100" action="/dial-status">
        <Number statusCallback="/status">+919876543210</Number>
        <Number statusCallback="/status">+919876543211</Number></Dial>"#;
    let backend = Backend::with(&[("/connect", dial)]).await;
    backend.call(plan(OwnerDoes::Answers)).await;
    assert_eq!(backend.one("/status canceled").get("To"), "+919876543211");
    let winner = backend.one("/status completed");
    assert_eq!(winner.get("To"), OWNER);
    let action = backend.one("/dial-status completed");
    assert_eq!(action.get("DialCallSid"), winner.get("CallSid"));
}

#[tokio::test]
async fn every_phone_that_rings_is_reported() {
    let number = |last: u32| {
        format!(
            r#"<Number statusCallback="/status" statusCallbackEvent="initiated completed"
                >+91987654321{last}</Number>"#
        )
    };
    let numbers: String = (0..10).map(number).collect();
    let dial = format!(r#"<Dial callerId="+14155550100">{numbers}</Dial><Say>Busy.</Say>"#);
    let backend = Backend::with(&[("/connect", dial.as_str())]).await;
    let transcript = backend.call(plan(OwnerDoes::Busy)).await;
    assert_eq!(transcript.errors, []);
    let mut story = vec!["/connect ringing"];
    story.extend(["/status initiated"; 10]);
    story.extend(["/status busy"; 10]);
    assert_eq!(backend.story(), story);
    let sids: HashSet<String> = backend
        .seen()
        .iter()
        .map(|seen| seen.get("CallSid").to_owned())
        .collect();
    assert_eq!(sids.len(), 11, "each has a leg of its own");
    let last = backend.seen().pop().unwrap();
    assert_eq!(last.get("To"), "+919876543219");
    assert_eq!(last.get("SequenceNumber"), "1");
    assert_eq!(transcript.visitor.heard[1..], ["say: Busy.", "hang-up"]);
}

#[tokio::test]
async fn what_is_played_takes_its_time() {
    let document = r#"<Pause length="3"/><Redirect>/next</Redirect>"#;
    let next = r#"<Say loop="2">Hello.</Say><Play digits="12#"/><Pause/>
        <Gather action="/keyed" numDigits="1"><Pause length="2"/><Play loop="2" digits="1"/></Gather>"#;
    let endless = r#"<Gather><Say loop="0">On.</Say><Say>Never.</Say></Gather><Say>Never.</Say>"#;
    let documents = [("/connect", document), ("/next", next), ("/keyed", endless)];
    let backend = Backend::with(&documents).await;
    let mut plan = plan(OwnerDoes::Answers);
    plan.keys = vec![Some("1".to_owned())];
    let transcript = backend.call(plan).await;
    assert_eq!(transcript.errors, []);
    // A pause does not answer the call; what is heard does.
    let story = ["/connect ringing", "/next ringing", "/keyed 1"];
    assert_eq!(backend.story(), story);
    let at = |index: usize| -> jiff::Timestamp { transcript.requests[index].at.parse().unwrap() };
    let seconds = [1, 2].map(|index| at(index).as_second() - at(index - 1).as_second());
    assert_eq!(seconds, [3, 1 + 1 + 5 + 1 + 2 + 5 + 5]);
    let heard = [
        "say: Hello.",
        "say: Hello.",
        "play: tones 12#",
        "play: tones 1",
        "play: tones 1",
        "say: On. (again and again)",
        "hang-up",
    ];
    assert_eq!(transcript.visitor.heard, heard);
}

#[tokio::test]
async fn rejected_and_redirected_calls() {
    for (reject, status) in [
        (r#"<Reject reason="busy"/>"#, CallStatus::Busy),
        ("<Reject/>", CallStatus::NoAnswer),
        ("<Say>No.</Say><Reject/>", CallStatus::Completed),
    ] {
        let backend = Backend::with(&[("/connect", reject)]).await;
        assert_eq!(
            backend.call(plan(OwnerDoes::Answers)).await.call_status,
            status
        );
    }
    let backend = Backend::with(&[
        (
            "/connect",
            "<Redirect method=\"GET\">next?a=b</Redirect><Say>never</Say>",
        ),
        ("/next", "<Play>/hello.mp3</Play>"),
    ])
    .await;
    let transcript = backend.call(plan(OwnerDoes::Answers)).await;
    assert_eq!(backend.story(), ["/connect ringing", "/next ringing"]);
    assert!(transcript.visitor.heard[0].ends_with("/hello.mp3"));

    let backend = Backend::with(&[("/connect", "<Redirect>/connect</Redirect>")]).await;
    let transcript = backend.call(plan(OwnerDoes::Answers)).await;
    assert!(transcript.errors[0].message.contains("loop"));
}

#[tokio::test]
async fn an_application_that_fails_is_heard_and_named() {
    let answer = |status, content_type, body: &str| {
        let answers = HashMap::from([("/connect", (status, content_type, body.to_owned()))]);
        Backend::answering(answers)
    };
    for (backend, code) in [
        (answer(500, "text/xml", "<Response/>").await, 11200),
        (answer(200, "application/json", "{}").await, 12300),
        (answer(200, "text/xml", "<Response>").await, 12100),
        (
            answer(200, "text/xml", "<Response><Sing/></Response>").await,
            12200,
        ),
    ] {
        let transcript = backend.call(plan(OwnerDoes::Answers)).await;
        assert_eq!(transcript.errors[0].code, code);
        let heard = "say: We are sorry, an application error has occurred. Goodbye.";
        assert_eq!(transcript.visitor.heard, [heard, "hang-up"]);
    }

    let backend = Backend::answering(HashMap::from([
        (
            "/connect",
            (200, "text/xml", format!("<Response>{DIAL}</Response>")),
        ),
        ("/status", (500, "text/plain", String::new())),
    ]))
    .await;
    let transcript = backend.call(plan(OwnerDoes::Busy)).await;
    assert_eq!(
        backend.story().len(),
        4,
        "status callbacks are not repeated"
    );
    assert!(transcript.errors.iter().all(|fault| fault.code == 15003));
    assert_eq!(transcript.errors.len(), 2);
}
