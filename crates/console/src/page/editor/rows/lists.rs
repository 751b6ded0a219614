//! The four lists of an item, and what each says in which column.

use super::{Column, List, Shape};
use serde_json::json;

const fn column(key: &'static str, label: &'static str, shape: Shape) -> Column {
    Column { key, label, shape }
}

const NECESSITIES: &[(&str, &str)] =
    &[("required", "必要"), ("deferrable", "可容缺"), ("optional", "非必要")];
const TIERS: &[(&str, &str)] = &[("village", "村级"), ("town", "镇级"), ("city", "市级")];
pub(super) const KINDS: &[(&str, &str)] = &[
    ("intake", "收件"),
    ("appointment", "预约"),
    ("completeness_check", "核对材料"),
    ("accept", "受理"),
    ("review", "审查"),
    ("parallel_review", "并联审查"),
    ("home_visit", "入户核查"),
    ("appraisal", "民主评议"),
    ("publicity", "公示"),
    ("inspection", "现场核查"),
    ("joint_inspection", "联合查验"),
    ("expert_review", "专家评审"),
    ("special", "特别程序"),
    ("hearing", "听证"),
    ("payment", "缴费"),
    ("decision", "决定"),
    ("issue", "制证"),
    ("deliver", "送达"),
    ("post_inspection", "批后检查"),
];
const UNITS: &[(&str, &str)] = &[("workday", "工作日"), ("natural", "自然日")];
const TYPES: &[(&str, &str)] = &[
    ("text", "文字"),
    ("textarea", "长文字"),
    ("bool", "是否"),
    ("integer", "整数"),
    ("decimal", "小数"),
    ("money", "金额"),
    ("date", "日期"),
    ("month", "月份"),
    ("datetime", "日期时间"),
    ("select", "单选"),
    ("multiselect", "多选"),
    ("region", "行政区划"),
    ("id_card", "公民身份号码"),
    ("uscc", "统一社会信用代码"),
    ("mobile", "手机号码"),
    ("list", "列表"),
    ("image", "图片"),
    ("geo_point", "位置"),
    ("geo_polygon", "范围"),
    ("table", "表格"),
];

const CONDITION: &str = "条件写成 项=值,如 has_student=true;空着就是都要。";

pub(in crate::page::editor) const LISTS: [List; 4] = [
    List {
        name: "paper",
        title: "申请材料",
        hint: CONDITION,
        fresh: "新增一份材料",
        path: &["materials"],
        id: Some("id"),
        columns: &[
            column("name", "材料名称", Shape::Text),
            column("necessity", "必要性", Shape::Choice(NECESSITIES)),
            column("when", "什么情况下要", Shape::Text),
            column("reuse_licence", "可由哪种证照代替", Shape::Licence),
        ],
        blank: |id| {
            json!({ "id": id, "necessity": "required", "kind": "other", "form": "either", "source": "self",
                    "originals": 1, "copies": 0 })
        },
    },
    List {
        name: "field",
        title: "表单(本事项自己的项)",
        hint: "单选、多选的选项一行写一个;各事项共用的申请人等项不在这里。",
        fresh: "新增一项",
        path: &["form", "fields"],
        id: Some("key"),
        columns: &[
            column("label", "名称", Shape::Text),
            column("type", "种类", Shape::Choice(TYPES)),
            column("required", "必填", Shape::Flag),
            column("options", "选项", Shape::Lines),
            column("when", "什么情况下问", Shape::Text),
        ],
        blank: |id| json!({ "key": id, "type": "text", "required": false }),
    },
    List {
        name: "stage",
        title: "环节",
        hint: "同一环节之后的几个环节并行;不计入承诺时限的(如公示)不要勾“计时”。",
        fresh: "新增一个环节",
        path: &["stages"],
        id: Some("id"),
        columns: &[
            column("name", "环节", Shape::Text),
            column("tier", "在哪一级办", Shape::Choice(TIERS)),
            column("kind", "种类", Shape::Choice(KINDS)),
            column("after", "在哪些环节之后", Shape::Siblings),
            column("limit_days", "时限(天数)", Shape::Days),
            column("limit_unit", "按什么算", Shape::Choice(UNITS)),
            column("counted", "计时", Shape::Flag),
            column("dept", "由哪些部门办", Shape::Bodies),
            column("when", "什么情况下有", Shape::Text),
        ],
        blank: |id| {
            json!({ "id": id, "tier": "city", "role": "dept_reviewer", "kind": "review", "after": [],
                    "limit_days": 0, "limit_unit": "workday", "counted": false })
        },
    },
    List {
        name: "fee",
        title: "收费",
        hint: "没有依据的不得收费;不收费就清空名称。",
        fresh: "新增一项收费",
        path: &["fees"],
        id: None,
        columns: &[
            column("name", "收费项目", Shape::Text),
            column("amount", "金额(元)", Shape::Yuan),
            column("unit", "计费单位", Shape::Text),
            column("basis", "依据", Shape::Text),
            column("when", "什么情况下收", Shape::Text),
        ],
        blank: |_| json!({ "unit": "件" }),
    },
];
