//! What was done, said once on the page that a form leads to. The words travel in a cookie beside the redirect, which the counter
//! sends only after it has taken the form; they are shown on that page alone, and a reload does not say them again.

use super::see;
use crate::auth::kept;
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

const DONE_COOKIE: &str = "tongban_done";

fn set(answer: &mut Response, value: &str, seconds: u32) {
    let cookie = format!("{DONE_COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// As [`see`], and the page says what was done.
pub(crate) fn done(path: &str, told: &'static str) -> Response {
    let mut answer = see(path);
    let page = path.split(['#', '?']).next().unwrap_or(path);
    let words = BASE64_URL_SAFE_NO_PAD.encode(format!("{page}\n{told}"));
    set(&mut answer, &words, 60);
    answer
}

/// What the page that is asked for has to say, if it is the one a form led to.
pub(crate) fn said(parts: &Parts) -> Option<String> {
    let words = BASE64_URL_SAFE_NO_PAD.decode(kept(&parts.headers, DONE_COOKIE)?).ok()?;
    let words = String::from_utf8(words).ok()?;
    let (page, told) = words.split_once('\n')?;
    (parts.method.is_safe() && page == parts.uri.path()).then(|| told.to_owned())
}

/// Once the page has said it, it is gone.
pub(crate) fn forget(parts: &Parts, answer: &mut Response) {
    if answer.status() == StatusCode::OK && said(parts).is_some() {
        set(answer, "", 0);
    }
}

/// In the words of whoever gave an order at a stage.
pub(crate) fn of_order(verb: &str) -> &'static str {
    match verb {
        "claim" => "已认领,现在由您办理",
        "release" => "已退还认领,同事可以办理",
        "complete" => "本环节已办结",
        "decide" => "决定已作出并签章",
        "issue" => "证照已制发",
        "deliver" => "送达已登记",
        "dispatch" => "寄出已登记",
        "fail-delivery" => "送达未成已登记",
        "return" => "已退回补正;告知书在案卷里,联网时传到收件的地方",
        "not-accept" => "不予受理决定书已作出并签章",
        "charge" => "收费已登记",
        "post" => "公示已登记",
        "notice-hearing" => "听证通知已写入案卷,联网时传出",
        "hold-hearing" => "听证笔录已登记",
        "suspend" => "已停止计算期限",
        "resume" => "已恢复计算期限",
        "extend" => "期限已延长",
        "reassign" => "已改派",
        _ => "已登记",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use axum::http::header::COOKIE;

    fn asking(path: &str, cookie: &str) -> Parts {
        Request::get(path).header(COOKIE, cookie).body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_was_done_is_said_on_the_page_it_led_to_and_once() {
        let answer = done("/cases/1#work", "已改派");
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(said(&asking("/cases/1", &cookie)).as_deref(), Some("已改派"));
        assert_eq!(said(&asking("/cases/2", &cookie)), None, "another tab");
        let mut page = Response::default();
        forget(&asking("/cases/1", &cookie), &mut page);
        assert!(page.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
        for nonsense in ["tongban_done=%%%", "tongban_done=", "other=1"] {
            assert_eq!(said(&asking("/cases/1", nonsense)), None);
        }
    }
}
