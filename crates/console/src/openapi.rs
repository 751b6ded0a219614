//! The list of routes with their meaning, and the OpenAPI document made from it.

use serde_json::{Map, Value, json};

/// One operation of the API.
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub summary: &'static str,
    /// Fields of the JSON body as `name: type`; empty when there is none.
    pub body: &'static [(&'static str, &'static str)],
}

const fn route(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    body: &'static [(&'static str, &'static str)],
) -> Route {
    Route { method, path, summary, body }
}

/// Every route of `/api/v1`. A test calls each one, so the list cannot drift from what is served.
pub const ROUTES: &[Route] = &[
    route(
        "post",
        "/login",
        "登录;返回令牌,其后每次请求以 Authorization: Bearer 携带",
        &[("name", "string"), ("password", "string")],
    ),
    route("post", "/logout", "退出登录", &[]),
    route("get", "/openapi.json", "本文件", &[]),
    route("get", "/status", "本节点:件数、待上传、链路", &[]),
    route("post", "/sync", "立即联系上级", &[]),
    route("get", "/items", "事项清单", &[]),
    route("get", "/items/{item}", "一个事项的全部内容:条件、材料、表单、环节", &[]),
    route("get", "/drafts", "我的草稿", &[]),
    route(
        "post",
        "/drafts",
        "新建草稿(村):一个事项 item,或一件事 bundle",
        &[("item", "string"), ("bundle", "string")],
    ),
    route("get", "/drafts/{draft}", "草稿内容", &[]),
    route(
        "put",
        "/drafts/{draft}",
        "保存表单;version 为读到的版本,已被他人改过则拒绝",
        &[("version", "integer"), ("form", "object"), ("own", "object")],
    ),
    route("get", "/drafts/{draft}/changes", "草稿开始以后,该事项有哪些变化", &[]),
    route("get", "/drafts/{draft}/check", "还差什么", &[]),
    route(
        "put",
        "/drafts/{draft}/materials/{material}",
        "上传一份材料:请求体为 JPEG、PNG 或 PDF 原文,不超过 8 MiB",
        &[],
    ),
    route(
        "put",
        "/drafts/{draft}/requests",
        "容缺承诺 commitment:{materials,signed_by};绿色通道 green:{ground,evidence},ground 为 enterprise、elderly、disabled 或 urgent;免提交 borrowed:[{material,consent}]",
        &[("version", "integer"), ("commitment", "object"), ("green", "object"), ("borrowed", "array")],
    ),
    route("post", "/drafts/{draft}/capture", "收件;重复提交同一草稿只产生一件", &[]),
    route("get", "/queue", "本节点待办,最急的在前;参数 body、limit", &[]),
    route("get", "/cases", "办件列表;参数 status、holder、origin、after、limit", &[]),
    route("get", "/cases/{case}", "一件:状态、四个对勾、时限、可办环节", &[]),
    route("get", "/cases/{case}/explain", "每个期限是怎样算出来的,逐条注明出处", &[]),
    route("get", "/cases/{case}/bundle", "该件所在的一件事:各件状态、合并的补正清单、总的承诺日期", &[]),
    route("get", "/cases/{case}/history", "卷内全部页和便条", &[]),
    route("get", "/cases/{case}/submission", "现行的申请内容", &[]),
    route("post", "/cases/{case}/stages/{stage}/claim", "认领环节(市)", &[]),
    route("post", "/cases/{case}/stages/{stage}/release", "退还认领", &[]),
    route(
        "post",
        "/cases/{case}/stages/{stage}/complete",
        "办结一个环节;不同意须写理由,现场核查须写明两名以上工作人员",
        &[("agrees", "boolean"), ("opinion", "string"), ("officers", "array")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/check-originals",
        "核对原件:所列材料已与原件核对(镇、市)",
        &[("materials", "array")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/reassign",
        "改派给另一位工作人员;由有决定权的人办理",
        &[("to", "string"), ("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/post",
        "登记公示地点;期满次日起才能办结",
        &[("place", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/propose-inspection",
        "联合查验:提出若干时间 [{day,time}]",
        &[("slots", "array")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/confirm-inspection",
        "本部门能到的时间(序号,从 0 起);镇里另写 body",
        &[("slots", "array"), ("body", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/fix-inspection",
        "定下各部门都能到、申请人已选定的时间",
        &[("slot", "integer")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/hold-inspection",
        "查验签到:两名以上工作人员,未到的部门视为放弃",
        &[("officers", "array"), ("absent", "array")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/find-inspection",
        "本部门的查验意见;镇里另写 body",
        &[("passed", "boolean"), ("text", "string"), ("body", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/notice-hearing",
        "听证通知,至少提前七日(第四十八条)",
        &[("on", "string"), ("place", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/hold-hearing",
        "听证笔录;由审查人员以外的人主持",
        &[("record", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/charge",
        "收费:只收目录所列,金额以分计;减免写 waived",
        &[("fee", "string"), ("amount_fen", "integer"), ("receipt", "string"), ("waived", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/dispatch",
        "寄出:承运人和运单号",
        &[("carrier", "string"), ("waybill", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/fail-delivery",
        "送达未成;channel 为 pickup、town、proxy、post 或 electronic",
        &[("channel", "string"), ("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/return",
        "一次性补正告知,一次列全;第二次须在 again 写明理由",
        &[("faults", "array"), ("again", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/not-accept",
        "不予受理(书面):ground 为 not_needed、{not_ours:{competent}} 或 {unmet:{article}}",
        &[("ground", "object"), ("text", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/suspend",
        "批准期限停止计算(第四十五条);由认领人以外的人批准",
        &[("procedure", "string"), ("basis", "string"), ("days", "integer")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/resume",
        "所停程序已结束,期限继续计算",
        &[("finding", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/extend",
        "批准延长期限(第四十二条),只能一次;由认领人以外的人批准",
        &[("days", "integer"), ("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/decide",
        "作出决定;outcome 为 granted 或 refused,不予须写理由和所依据的条款",
        &[("outcome", "string"), ("text", "string"), ("article", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/take-make-up",
        "收下容缺补交的材料;slip 为补交便条",
        &[("slip", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/refuse-make-up",
        "退回容缺补交的材料,须写理由",
        &[("slip", "string"), ("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/commitment-false",
        "登记承诺不实:申请人以后不再适用容缺受理",
        &[("finding", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/decline-green",
        "不适用绿色通道,须在受理前写明理由",
        &[("reason", "string")],
    ),
    route("post", "/cases/{case}/stages/{stage}/issue", "制发证照", &[("opinion", "string")]),
    route(
        "post",
        "/cases/{case}/stages/{stage}/deliver",
        "送达:领取人、方式和凭证;proof_kind 为 signature、photo、code 或 waybill",
        &[("receiver", "string"), ("proof", "string"), ("channel", "string"), ("proof_kind", "string")],
    ),
    route(
        "post",
        "/cases/{case}/resubmit",
        "补正后重新提交;materials 为材料编号到 base64",
        &[("form", "object"), ("materials", "object")],
    ),
    route(
        "post",
        "/cases/{case}/slips",
        "加便条:withdraw、note、applicant_notice、hearing_request、inspection_slot",
        &[("kind", "string"), ("text", "string")],
    ),
    route(
        "post",
        "/cases/{case}/rate",
        "申请人评价,一事一评;grade 为 very_good、good、fair、bad 或 very_bad",
        &[("grade", "string"), ("text", "string")],
    ),
    route(
        "post",
        "/cases/{case}/originals",
        "原件流转:哪份原件,由谁交给谁",
        &[("paper", "string"), ("from", "string"), ("to", "string")],
    ),
    route("get", "/cases/{case}/fees", "按目录应收的费用和已收的费用", &[]),
    route("get", "/rectifications", "差评整改,最急的在前", &[]),
    route("get", "/cases/{case}/rectification", "一件的差评整改", &[]),
    route(
        "post",
        "/cases/{case}/rectification",
        "登记整改的一步:contacted、complex、fixed、revisited、appealed 或 appeal_decided",
        &[("contacted", "object"), ("fixed", "object"), ("revisited", "object"), ("appealed", "object")],
    ),
    route("get", "/licences/{number}", "证照状态,注明截至何日", &[]),
    route(
        "post",
        "/licences/{number}/state",
        "变更证照状态(市):valid、suspended 或 revoked",
        &[("state", "string"), ("from", "string"), ("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/make-up",
        "补交容缺的材料;materials 为材料编号到 base64",
        &[("materials", "object")],
    ),
    route("post", "/cases/{case}/withdraw", "持卷节点按申请人的便条准予撤回", &[("slip", "string")]),
    route("post", "/cases/{case}/recall", "上级调回案卷", &[]),
    route("get", "/cases/{case}/sheets", "现在可以打印的文书", &[]),
    route("get", "/cases/{case}/sheets/{sheet}", "一份文书(HTML,A4,含二维码);督办单另需参数 alert", &[]),
    route("get", "/cases/{case}/attachments/{hash}", "一份附件的原文", &[]),
    route("get", "/standards", "标准体系:数量、覆盖率、精简率,由数据算出", &[]),
    route("get", "/calendar/due", "从某日起若干工作日的截止日;参数 anchor、working_days", &[]),
    route("get", "/warnings", "本节点临期或超期的件,最急的在前;参数 limit", &[]),
    route("get", "/alerts", "电子监察督办,新的在前;参数 rung、open、before、limit", &[]),
    route("get", "/cases/{case}/alerts", "一件的全部督办,含申诉和处理结果", &[]),
    route("post", "/cases/{case}/alerts/appeal", "被督办单位申诉", &[("key", "string"), ("text", "string")]),
    route(
        "post",
        "/cases/{case}/alerts/conclude",
        "作出处理结果(市):kind 为 upheld 属实或 revoked 撤销",
        &[("key", "string"), ("kind", "string"), ("text", "string")],
    ),
    route("get", "/letters", "授权委托书及其撤销", &[]),
    route("post", "/letters", "登记授权委托书(市),全部成功或全部不成", &[("letters", "array")]),
    route(
        "post",
        "/letters/revoke",
        "撤销授权委托书(市);delegate 为 {node,officer},省略则对全部受委托人撤销",
        &[("number", "string"), ("delegate", "object"), ("from", "string"), ("reason", "string")],
    ),
    route("get", "/seals", "备案的审批专用章", &[]),
    route(
        "post",
        "/papers/verify",
        "核验文书二维码,不需要网络;day 为文书日期",
        &[("code", "string"), ("day", "string")],
    ),
    route("get", "/nodes", "本节点及以下各节点:自己的序号、已收到的序号、最近联系、时钟偏差", &[]),
    route("get", "/incidents", "需要人处理的异常", &[]),
    route("get", "/reconciliation", "对账:每个村 收件 = 镇已收 = 市已收,不平的附原因和起始时间", &[]),
    route(
        "post",
        "/slips/look",
        "核对群众的收件凭证(二维码文字):here 已在本节点,filed_again 恢复后重新归档,not_here 本节点没有(记为异常)",
        &[("text", "string")],
    ),
];

/// The OpenAPI 3.1 document of `/api/v1`.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let operation = operation(route);
        let entry = paths.entry(format!("/api/v1{}", route.path)).or_insert_with(|| json!({}));
        entry[route.method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Tongban 通办", "version": env!("CARGO_PKG_VERSION"),
                  "description": "错误一律为 {\"error\":{\"code\",\"message\",\"faults\"}}:code 供程序判断,message 说明怎样改正。" },
        "components": { "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } } },
        "security": [{ "bearer": [] }],
        "paths": paths,
    })
}

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters,
        "responses": { "200": { "description": "成功:已落盘" }, "401": { "description": "未登录" },
                       "409": { "description": "现在不能办,说明原因" }, "422": { "description": "内容有误,逐项说明" } },
    });
    if !route.body.is_empty() {
        let properties: Map<String, Value> =
            route.body.iter().map(|(name, kind)| ((*name).to_owned(), json!({ "type": kind }))).collect();
        operation["requestBody"] = json!({ "content": { "application/json": { "schema": { "type": "object", "properties": properties } } } });
    }
    operation
}
