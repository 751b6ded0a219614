//! The list of routes: what each means, and what it asks of whoever calls it. A request that no line matches is not served.

use domain::access::Permission;

/// What a route asks of whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Not even a log-in.
    Nothing,
    One(Permission),
}

/// One operation of the API.
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    /// What the officer who calls it must be permitted. Finer questions (which stage, which case) are asked by the use case.
    pub needs: Need,
    pub summary: &'static str,
    /// Fields of the JSON body as `name: type`; empty when there is none.
    pub body: &'static [(&'static str, &'static str)],
}

impl Route {
    /// Whether the answer tells of a person: such reads stand in the audit (I37).
    pub fn tells_of_persons(&self) -> bool {
        const TELLING: [&str; 7] =
            ["/cases", "/queue", "/drafts", "/warnings", "/alerts", "/rectifications", "/licences"];
        // A draft that is saved comes back whole.
        let draft = self.method == "put" && self.path.starts_with("/drafts");
        draft || self.method == "get" && TELLING.iter().any(|telling| self.path.starts_with(telling))
    }

    /// The route behind a request: its method, and the pattern its path matched.
    pub fn of(method: &str, pattern: &str) -> Option<&'static Route> {
        // All verbs of a stage are served by one handler.
        let pattern = pattern.strip_suffix("/{verb}").unwrap_or(pattern);
        let is = |route: &&Route| {
            route.method.eq_ignore_ascii_case(method)
                && (route.path == pattern
                    || (pattern.ends_with("/{stage}") && route.path.starts_with(pattern)))
        };
        ROUTES.iter().find(is)
    }
}

const fn route(
    method: &'static str,
    path: &'static str,
    needs: Need,
    summary: &'static str,
    body: &'static [(&'static str, &'static str)],
) -> Route {
    Route { method, path, needs, summary, body }
}

/// Every route of `/api/v1`, with the permission it needs: whatever is not listed here is not served. Tests call each one, and
/// crawl it as every role (I35), so the list cannot drift from what is served.
pub const ROUTES: &[Route] = &[
    route(
        "post",
        "/login",
        Need::Nothing,
        "登录;返回令牌,其后每次请求以 Authorization: Bearer 携带",
        &[("name", "string"), ("password", "string")],
    ),
    route("post", "/logout", Need::One(Permission::House), "退出登录", &[]),
    route("get", "/openapi.json", Need::One(Permission::House), "本文件", &[]),
    route("get", "/status", Need::One(Permission::House), "本节点:件数、待上传、链路", &[]),
    route("post", "/sync", Need::One(Permission::House), "立即联系上级", &[]),
    route("get", "/items", Need::One(Permission::House), "事项清单", &[]),
    route(
        "get",
        "/items/{item}",
        Need::One(Permission::House),
        "一个事项的全部内容:条件、材料、表单、环节",
        &[],
    ),
    route(
        "get",
        "/drafts",
        Need::One(Permission::Record),
        "我的草稿;all=true 列出同事的(前任留下的草稿由此继续)",
        &[],
    ),
    route(
        "post",
        "/drafts",
        Need::One(Permission::Record),
        "新建草稿(村):一个事项 item,或一件事 bundle",
        &[("item", "string"), ("bundle", "string")],
    ),
    route("get", "/drafts/{draft}", Need::One(Permission::Record), "草稿内容", &[]),
    route(
        "put",
        "/drafts/{draft}",
        Need::One(Permission::Record),
        "保存表单;version 为读到的版本,已被他人改过则拒绝",
        &[("version", "integer"), ("form", "object"), ("own", "object")],
    ),
    route(
        "get",
        "/drafts/{draft}/changes",
        Need::One(Permission::Record),
        "草稿开始以后,该事项有哪些变化",
        &[],
    ),
    route("get", "/drafts/{draft}/check", Need::One(Permission::Record), "还差什么", &[]),
    route(
        "put",
        "/drafts/{draft}/materials/{material}",
        Need::One(Permission::Record),
        "上传一份材料:请求体为 JPEG、PNG 或 PDF 原文,不超过 8 MiB",
        &[],
    ),
    route(
        "put",
        "/drafts/{draft}/requests",
        Need::One(Permission::Record),
        "容缺承诺 commitment:{materials,signed_by};绿色通道 green:{ground,evidence},ground 为 enterprise、elderly、disabled 或 urgent;免提交 borrowed:[{material,consent}]",
        &[("version", "integer"), ("commitment", "object"), ("green", "object"), ("borrowed", "array")],
    ),
    route(
        "post",
        "/drafts/{draft}/capture",
        Need::One(Permission::Record),
        "收件;重复提交同一草稿只产生一件",
        &[],
    ),
    route("get", "/queue", Need::One(Permission::ReadCases), "本节点待办,最急的在前;参数 body、limit", &[]),
    route(
        "get",
        "/cases",
        Need::One(Permission::ReadCases),
        "办件列表;参数 status、holder、origin、after、limit",
        &[],
    ),
    route(
        "get",
        "/cases/{case}",
        Need::One(Permission::ReadCases),
        "一件:状态、四个对勾、时限、可办环节",
        &[],
    ),
    route(
        "get",
        "/cases/{case}/explain",
        Need::One(Permission::ReadCases),
        "每个期限是怎样算出来的,逐条注明出处",
        &[],
    ),
    route(
        "get",
        "/cases/{case}/bundle",
        Need::One(Permission::ReadCases),
        "该件所在的一件事:各件状态、合并的补正清单、总的承诺日期",
        &[],
    ),
    route("get", "/cases/{case}/history", Need::One(Permission::ReadCases), "卷内全部页和便条", &[]),
    route("get", "/cases/{case}/submission", Need::One(Permission::ReadCases), "现行的申请内容", &[]),
    route(
        "post",
        "/cases/{case}/stages/{stage}/claim",
        Need::One(Permission::ReadCases),
        "认领环节(市)",
        &[],
    ),
    route("post", "/cases/{case}/stages/{stage}/release", Need::One(Permission::ReadCases), "退还认领", &[]),
    route(
        "post",
        "/cases/{case}/stages/{stage}/complete",
        Need::One(Permission::ReadCases),
        "办结一个环节;不同意须写理由,现场核查须写明两名以上工作人员",
        &[("agrees", "boolean"), ("opinion", "string"), ("officers", "array")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/check-originals",
        Need::One(Permission::ReadCases),
        "核对原件:所列材料已与原件核对(镇、市)",
        &[("materials", "array")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/reassign",
        Need::One(Permission::ReadCases),
        "改派给另一位工作人员;由有决定权的人办理",
        &[("to", "string"), ("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/post",
        Need::One(Permission::ReadCases),
        "登记公示地点;期满次日起才能办结",
        &[("place", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/propose-inspection",
        Need::One(Permission::ReadCases),
        "联合查验:提出若干时间 [{day,time}]",
        &[("slots", "array")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/confirm-inspection",
        Need::One(Permission::ReadCases),
        "本部门能到的时间(序号,从 0 起);镇里另写 body",
        &[("slots", "array"), ("body", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/fix-inspection",
        Need::One(Permission::ReadCases),
        "定下各部门都能到、申请人已选定的时间",
        &[("slot", "integer")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/hold-inspection",
        Need::One(Permission::ReadCases),
        "查验签到:两名以上工作人员,未到的部门视为放弃",
        &[("officers", "array"), ("absent", "array")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/find-inspection",
        Need::One(Permission::ReadCases),
        "本部门的查验意见;镇里另写 body",
        &[("passed", "boolean"), ("text", "string"), ("body", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/notice-hearing",
        Need::One(Permission::ReadCases),
        "听证通知,至少提前七日(第四十八条)",
        &[("on", "string"), ("place", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/hold-hearing",
        Need::One(Permission::ReadCases),
        "听证笔录;由审查人员以外的人主持",
        &[("record", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/charge",
        Need::One(Permission::ReadCases),
        "收费:只收目录所列,金额以分计;减免写 waived",
        &[("fee", "string"), ("amount_fen", "integer"), ("receipt", "string"), ("waived", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/dispatch",
        Need::One(Permission::ReadCases),
        "寄出:承运人和运单号",
        &[("carrier", "string"), ("waybill", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/fail-delivery",
        Need::One(Permission::ReadCases),
        "送达未成;channel 为 pickup、town、proxy、post 或 electronic",
        &[("channel", "string"), ("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/return",
        Need::One(Permission::ReadCases),
        "一次性补正告知,一次列全;第二次须在 again 写明理由",
        &[("faults", "array"), ("again", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/not-accept",
        Need::One(Permission::ReadCases),
        "不予受理(书面):ground 为 not_needed、{not_ours:{competent}} 或 {unmet:{article}}",
        &[("ground", "object"), ("text", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/suspend",
        Need::One(Permission::ReadCases),
        "批准期限停止计算(第四十五条);由认领人以外的人批准",
        &[("procedure", "string"), ("basis", "string"), ("days", "integer")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/resume",
        Need::One(Permission::ReadCases),
        "所停程序已结束,期限继续计算",
        &[("finding", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/extend",
        Need::One(Permission::ReadCases),
        "批准延长期限(第四十二条),只能一次;由认领人以外的人批准",
        &[("days", "integer"), ("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/decide",
        Need::One(Permission::ReadCases),
        "作出决定;outcome 为 granted 或 refused,不予须写理由和所依据的条款",
        &[("outcome", "string"), ("text", "string"), ("article", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/take-make-up",
        Need::One(Permission::ReadCases),
        "收下容缺补交的材料;slip 为补交便条",
        &[("slip", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/refuse-make-up",
        Need::One(Permission::ReadCases),
        "退回容缺补交的材料,须写理由",
        &[("slip", "string"), ("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/commitment-false",
        Need::One(Permission::ReadCases),
        "登记承诺不实:申请人以后不再适用容缺受理",
        &[("finding", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/decline-green",
        Need::One(Permission::ReadCases),
        "不适用绿色通道,须在受理前写明理由",
        &[("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/issue",
        Need::One(Permission::ReadCases),
        "制发证照",
        &[("opinion", "string")],
    ),
    route(
        "post",
        "/cases/{case}/stages/{stage}/deliver",
        Need::One(Permission::ReadCases),
        "送达:领取人、方式和凭证;proof_kind 为 signature、photo、code 或 waybill",
        &[("receiver", "string"), ("proof", "string"), ("channel", "string"), ("proof_kind", "string")],
    ),
    route(
        "post",
        "/cases/{case}/resubmit",
        Need::One(Permission::Record),
        "补正后重新提交;materials 为材料编号到 base64",
        &[("form", "object"), ("materials", "object")],
    ),
    route(
        "post",
        "/cases/{case}/slips",
        Need::One(Permission::Assist),
        "加便条:withdraw、note、applicant_notice、hearing_request、inspection_slot",
        &[("kind", "string"), ("text", "string")],
    ),
    route(
        "post",
        "/cases/{case}/rate",
        Need::One(Permission::Assist),
        "申请人评价,一事一评;grade 为 very_good、good、fair、bad 或 very_bad",
        &[("grade", "string"), ("text", "string")],
    ),
    route(
        "post",
        "/cases/{case}/originals",
        Need::One(Permission::Assist),
        "原件流转:哪份原件,由谁交给谁",
        &[("paper", "string"), ("from", "string"), ("to", "string")],
    ),
    route("get", "/cases/{case}/fees", Need::One(Permission::ReadCases), "按目录应收的费用和已收的费用", &[]),
    route("get", "/rectifications", Need::One(Permission::Rectify), "差评整改,最急的在前", &[]),
    route("get", "/cases/{case}/rectification", Need::One(Permission::Rectify), "一件的差评整改", &[]),
    route(
        "post",
        "/cases/{case}/rectification",
        Need::One(Permission::Rectify),
        "登记整改的一步:contacted、complex、fixed、revisited、appealed 或 appeal_decided",
        &[("contacted", "object"), ("fixed", "object"), ("revisited", "object"), ("appealed", "object")],
    ),
    route("get", "/licences/{number}", Need::One(Permission::ReadLicences), "证照状态,注明截至何日", &[]),
    route(
        "post",
        "/licences/{number}/state",
        Need::One(Permission::Register),
        "变更证照状态(市):valid、suspended 或 revoked",
        &[("state", "string"), ("from", "string"), ("reason", "string")],
    ),
    route(
        "post",
        "/cases/{case}/make-up",
        Need::One(Permission::Assist),
        "补交容缺的材料;materials 为材料编号到 base64",
        &[("materials", "object")],
    ),
    route(
        "post",
        "/cases/{case}/withdraw",
        Need::One(Permission::ReadCases),
        "持卷节点按申请人的便条准予撤回",
        &[("slip", "string")],
    ),
    route("post", "/cases/{case}/recall", Need::One(Permission::ReadCases), "上级调回案卷", &[]),
    route("get", "/cases/{case}/sheets", Need::One(Permission::ReadCases), "现在可以打印的文书", &[]),
    route(
        "get",
        "/cases/{case}/sheets/{sheet}",
        Need::One(Permission::ReadCases),
        "一份文书(HTML,A4,含二维码);督办单另需参数 alert",
        &[],
    ),
    route("get", "/cases/{case}/attachments/{hash}", Need::One(Permission::ReadCases), "一份附件的原文", &[]),
    route("get", "/standards", Need::One(Permission::House), "标准体系:数量、覆盖率、精简率,由数据算出", &[]),
    route(
        "get",
        "/calendar/due",
        Need::One(Permission::House),
        "从某日起若干工作日的截止日;参数 anchor、working_days",
        &[],
    ),
    route(
        "get",
        "/warnings",
        Need::One(Permission::Warnings),
        "本节点临期或超期的件,最急的在前;参数 limit",
        &[],
    ),
    route(
        "get",
        "/alerts",
        Need::One(Permission::Warnings),
        "电子监察督办,新的在前;参数 rung、open、before、limit",
        &[],
    ),
    route(
        "get",
        "/cases/{case}/alerts",
        Need::One(Permission::Warnings),
        "一件的全部督办,含申诉和处理结果",
        &[],
    ),
    route(
        "post",
        "/cases/{case}/alerts/appeal",
        Need::One(Permission::Appeal),
        "被督办单位申诉",
        &[("key", "string"), ("text", "string")],
    ),
    route(
        "post",
        "/cases/{case}/alerts/conclude",
        Need::One(Permission::Conclude),
        "作出处理结果(市):kind 为 upheld 属实或 revoked 撤销",
        &[("key", "string"), ("kind", "string"), ("text", "string")],
    ),
    route("get", "/tickets", Need::One(Permission::House), "今天的号:正在等、已叫、办完、过号(镇、市)", &[]),
    route(
        "post",
        "/tickets",
        Need::One(Permission::Assist),
        "取号;matter 为 apply 办事、collect 取件或 ask 咨询,first 为优先,request 相同的重复请求只取一个号",
        &[("matter", "string"), ("first", "boolean"), ("request", "string")],
    ),
    route(
        "post",
        "/tickets/call",
        Need::One(Permission::Assist),
        "叫下一位到 window 号窗口(1 至 99);该窗口原来的号记为办完;matter 不填为不限",
        &[("window", "integer"), ("matter", "string"), ("request", "string")],
    ),
    route(
        "post",
        "/tickets/{ticket}",
        Need::One(Permission::Assist),
        "处理一个号,如 A012;verb 为 again 再叫、done 办完、miss 过号或 back 重排",
        &[("verb", "string"), ("request", "string")],
    ),
    route(
        "get",
        "/daily",
        Need::One(Permission::ReadCases),
        "日报:某一天本节点办了什么、谁办的;参数 day",
        &[],
    ),
    route("get", "/letters", Need::One(Permission::House), "授权委托书及其撤销", &[]),
    route(
        "post",
        "/letters",
        Need::One(Permission::Register),
        "登记授权委托书(市),全部成功或全部不成",
        &[("letters", "array")],
    ),
    route("get", "/seals", Need::One(Permission::House), "备案的审批专用章", &[]),
    route(
        "post",
        "/papers/verify",
        Need::One(Permission::House),
        "核验文书二维码,不需要网络;day 为文书日期",
        &[("code", "string"), ("day", "string")],
    ),
    route(
        "get",
        "/nodes",
        Need::One(Permission::House),
        "本节点及以下各节点:自己的序号、已收到的序号、最近联系、时钟偏差",
        &[],
    ),
    route(
        "get",
        "/incidents",
        Need::One(Permission::House),
        "运行事件:等待处理的在前,然后是已处理(settled)和备查(remark)的",
        &[],
    ),
    route(
        "post",
        "/incidents/{no}/settle",
        Need::One(Permission::Operate),
        "一条异常处理完毕;note 写明查了什么、怎么处理的",
        &[("note", "string")],
    ),
    route(
        "post",
        "/incidents/retry",
        Need::One(Permission::Operate),
        "全部重试:各链路重新问候,没收下的再送,缺的再要",
        &[],
    ),
    route(
        "get",
        "/reconciliation",
        Need::One(Permission::House),
        "对账:每个村 收件 = 镇已收 = 市已收,不平的附原因和起始时间",
        &[],
    ),
    route(
        "post",
        "/slips/look",
        Need::One(Permission::House),
        "核对群众的收件凭证(二维码文字):here 已在本节点,filed_again 恢复后重新归档,not_here 本节点没有(记为异常)",
        &[("text", "string")],
    ),
    route("get", "/me", Need::One(Permission::House), "我的账号:岗位、能看到的范围", &[]),
    route(
        "post",
        "/me/password",
        Need::One(Permission::House),
        "更改口令;其他登录随之失效。present 为 {password,code}",
        &[("present", "object"), ("new", "string")],
    ),
    route("post", "/me/log-out-everywhere", Need::One(Permission::House), "退出在所有设备上的登录", &[]),
    route("get", "/accounts", Need::One(Permission::Accounts), "本节点的账号", &[]),
    route(
        "put",
        "/accounts/{name}",
        Need::One(Permission::Accounts),
        "设立或更改账号;返回只显示一次的口令和动态口令密钥。roles 为岗位名的数组",
        &[("display", "string"), ("body", "string"), ("roles", "array")],
    ),
    route(
        "post",
        "/accounts/{name}/reset",
        Need::One(Permission::Accounts),
        "口令或手机遗失:重设口令和动态口令",
        &[],
    ),
    route(
        "post",
        "/accounts/{name}/disable",
        Need::One(Permission::Accounts),
        "停用账号;其草稿由同事继续",
        &[],
    ),
    route("post", "/accounts/{name}/enable", Need::One(Permission::Accounts), "恢复账号", &[]),
    route(
        "get",
        "/audit",
        Need::One(Permission::Audit),
        "审计记录,新的在前;参数 actor、action、subject、before、limit",
        &[],
    ),
    route("get", "/countersigns", Need::One(Permission::House), "等待第二人复核的操作", &[]),
    route(
        "post",
        "/countersigns",
        Need::One(Permission::House),
        "提出须双人办理的操作。act 的 kind 为 ban_node、evict_node、readmit_node、revoke_letter、withdraw_seal、export_audit 或 export_cases;proof 为 {password,code}",
        &[("act", "object"), ("proof", "object")],
    ),
    route(
        "post",
        "/countersigns/{id}",
        Need::One(Permission::House),
        "第二人复核,立即办理;proof 为 {password,code}",
        &[("proof", "object")],
    ),
    route(
        "post",
        "/countersigns/{id}/collect",
        Need::One(Permission::House),
        "提出人领取新账号的动态口令密钥,一次,三十分钟内",
        &[],
    ),
    route("get", "/exports/{id}", Need::One(Permission::House), "领取经双人复核的导出,三十分钟内", &[]),
];
