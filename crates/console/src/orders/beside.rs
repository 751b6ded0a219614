//! What can be ordered beside the work itself: answers before an application is taken up, the joint inspection, approvals by a
//! second person, papers that were promised for later.

use super::{At, Order, Shape, ask, words};
use casework::ReadyStage;
use domain::access::Permission;
use domain::catalogue::StageKind;
use domain::network::Tier;

impl At<'_> {
    /// What answers an application before it is taken up: notice, refusal to take up, originals.
    pub(super) fn answers(&self, stage: &ReadyStage) -> Vec<Order> {
        let dossier = self.dossier();
        let later = |order: Order| Order { first: false, ..order };
        let mut orders = Vec::new();
        if !(self.may)(Permission::Handle) || self.tier == Tier::Village {
            return orders;
        }
        let mut back = later(self.order(stage, "return", "退回补正(一次告知)", Vec::new()));
        if dossier.notices > 0 {
            back.asks.push(
                ask("again", "第二次补正的理由", Shape::Text).hint("法律只允许告知一次;再次告知会被监察记录"),
            );
        }
        back.faults = self.item.fields.iter().map(|field| (field.key.clone(), field.label.clone())).collect();
        back.faults.extend(self.item.materials.iter().map(|one| (one.id.to_string(), one.name.clone())));
        orders.push(back);
        orders.push(Order {
            danger: true,
            ..later(self.order(
                stage,
                "not-accept",
                "不予受理(书面)",
                vec![
                        ask("ground", "理由种类", Shape::Text).of(words(&[
                            ("not_needed", "依法不需要办理"),
                            ("not_ours", "不属于本机关职权"),
                            ("unmet", "不符合条件"),
                        ])),
                        ask("word", "主管机关或所依据的条款", Shape::Maybe)
                            .hint("不属于本机关的写主管机关,不符合条件的写条款"),
                        ask("text", "说明", Shape::Text),
                    ],
            ))
        });
        let scans: Vec<(String, String)> = dossier
            .attachments
            .iter()
            .filter(|one| !dossier.checked.contains(&one.material))
            .map(|one| (one.material.to_string(), self.paper_name(one.material.as_str())))
            .collect();
        if !scans.is_empty() {
            let asks = vec![ask("materials", "已与原件核对的材料", Shape::Chosen).of_names(scans)];
            orders.push(later(self.order(stage, "check-originals", "核对原件", asks)));
        }
        if dossier.green.is_some() {
            let asks = vec![ask("reason", "理由", Shape::Text)];
            orders.push(later(self.order(stage, "decline-green", "不适用绿色通道", asks)));
        }
        orders
    }

    fn paper_name(&self, id: &str) -> String {
        let known = self.item.materials.iter().find(|one| one.id.as_str() == id);
        known.map_or_else(|| id.to_owned(), |one| one.name.clone())
    }

    /// 联合查验: each department speaks for itself, whoever has claimed the visit.
    pub(super) fn visit(&self, stage: &ReadyStage, kind: StageKind) -> Vec<Order> {
        if kind != StageKind::JointInspection {
            return Vec::new();
        }
        let claimed = self.dossier().stages.get(&stage.stage).and_then(|state| state.claimed_by.as_deref());
        let leads = self.tier != Tier::City || claimed == Some(self.officer.name.as_str());
        let bodies: Vec<(String, String)> =
            stage.bodies.iter().map(|body| (body.to_string(), (self.body_name)(body))).collect();
        let body = || match self.tier {
            Tier::City => Vec::new(),
            Tier::Town | Tier::Village => vec![ask("body", "部门", Shape::Maybe).of_names(bodies.clone())],
        };
        let Some(visit) = self.dossier().inspections.get(&stage.stage) else {
            return match leads {
                true => vec![self.order(
                    stage,
                    "propose-inspection",
                    "提出查验时间",
                    vec![ask("slots", "可选时间", Shape::Slots).hint("一行一个,如 2026-12-01 09:30")],
                )],
                false => Vec::new(),
            };
        };
        let slots: Vec<(String, String)> =
            visit.slots.iter().enumerate().map(|(no, slot)| (no.to_string(), slot.to_string())).collect();
        let mut orders = Vec::new();
        match (&visit.fixed, &visit.held) {
            (None, _) => {
                let mut asks = body();
                asks.push(ask("slots", "本部门能到的时间", Shape::Numbers).of_names(slots.clone()));
                orders.push(self.order(stage, "confirm-inspection", "确认能到的时间", asks));
                if leads {
                    let asks = vec![ask("slot", "定下的时间", Shape::Number).of_names(slots)];
                    orders.push(self.order(stage, "fix-inspection", "定下查验时间", asks));
                }
            }
            (Some(_), None) if leads => orders.push(self.order(
                stage,
                "hold-inspection",
                "查验签到",
                vec![
                    ask("officers", "到场人员(两名以上)", Shape::Lines).hint("一行写一个"),
                    ask("absent", "未到的部门(视为放弃)", Shape::Chosen).of_names(bodies).optional(),
                ],
            )),
            (Some(_), None) => {}
            (Some(_), Some(_)) => {
                let mut asks = body();
                asks.push(
                    ask("passed", "查验结果", Shape::Bool)
                        .of(words(&[("true", "通过"), ("false", "不通过")])),
                );
                asks.push(ask("text", "查验意见", Shape::Text).optional());
                orders.push(self.order(stage, "find-inspection", "填写查验意见", asks));
            }
        }
        orders
    }

    /// What a second person approves: whoever has claimed the stage does not.
    pub(super) fn approvals(&self, stage: &ReadyStage, claimed: bool) -> Vec<Order> {
        if !(self.may)(Permission::Approve) || !claimed {
            return Vec::new();
        }
        let later = |order: Order| Order { first: false, ..order };
        let mut orders = vec![later(self.order(
            stage,
            "reassign",
            "改派",
            vec![ask("to", "改派给(用户名)", Shape::Text), ask("reason", "理由", Shape::Text)],
        ))];
        if self.dossier().accepted.is_none() {
            return orders;
        }
        match self.dossier().suspended() {
            Some(_) => orders.push(later(self.order(
                stage,
                "resume",
                "恢复计算期限",
                vec![ask("finding", "程序结果", Shape::Text)],
            ))),
            None => orders.push(later(self.order(
                stage,
                "suspend",
                "停止计算期限(第四十五条)",
                vec![
                    ask("procedure", "所需程序", Shape::Text).of(words(&[
                        ("hearing", "听证"),
                        ("tender", "招标"),
                        ("auction", "拍卖"),
                        ("inspection", "检验、检测、检疫"),
                        ("appraisal", "鉴定"),
                        ("expert_review", "专家评审"),
                    ])),
                    ask("basis", "依据", Shape::Text),
                    ask("days", "所需工作日", Shape::Number),
                ],
            ))),
        }
        if self.dossier().extension.is_none() {
            orders.push(later(self.order(
                stage,
                "extend",
                "延长期限(第四十二条,一次)",
                vec![ask("days", "延长的工作日", Shape::Number), ask("reason", "理由", Shape::Text)],
            )));
        }
        orders
    }

    /// 容缺补交 that lies on the desk, and a promise that turned out untrue.
    pub(super) fn make_ups(&self, stage: &ReadyStage) -> Vec<Order> {
        let dossier = self.dossier();
        let promised = !dossier.lacking.is_empty() || dossier.made_up.is_some();
        let mut orders = Vec::new();
        if promised && dossier.breach.is_none() && self.tier != Tier::Village {
            let asks = vec![ask("finding", "查明的情况", Shape::Text).hint("登记后该申请人不再适用容缺受理")];
            let order = self.order(stage, "commitment-false", "登记承诺不实", asks);
            orders.push(Order { first: false, danger: true, ..order });
        }
        let Some(slip) = domain::tolerance::pending_make_up(dossier) else { return orders };
        let hidden = || ask("slip", "", Shape::Text).with(slip.to_string());
        orders.extend([
            self.order(stage, "take-make-up", "收下补交的材料", vec![hidden()]),
            self.order(
                stage,
                "refuse-make-up",
                "退回补交的材料",
                vec![hidden(), ask("reason", "理由", Shape::Text)],
            ),
        ]);
        orders
    }
}
