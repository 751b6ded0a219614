//! The work of a stage itself, by its kind: what completes it, what it has to leave behind.

use super::{AGREES, Ask, At, DELIVER, Order, Shape, ask, words};
use casework::ReadyStage;
use domain::catalogue::StageKind;
use domain::delivery::Channel;
use domain::dossier::Dossier;
use domain::network::Tier;

impl At<'_> {
    pub(super) fn dossier(&self) -> &Dossier {
        &self.view.dossier
    }

    pub(super) fn order(
        &self,
        stage: &ReadyStage,
        verb: &'static str,
        label: &'static str,
        asks: Vec<Ask>,
    ) -> Order {
        let stage = stage.stage.clone();
        Order { stage, verb, label, asks, faults: Vec::new(), first: true, danger: false }
    }

    /// Everything that can be ordered at the stages that wait at this desk.
    pub fn orders(&self, stages: &[&ReadyStage]) -> Vec<Order> {
        stages.iter().flat_map(|stage| self.at_stage(stage)).collect()
    }

    fn at_stage(&self, stage: &ReadyStage) -> Vec<Order> {
        let claimed = self.dossier().stages.get(&stage.stage).and_then(|state| state.claimed_by.as_deref());
        let Some(kind) = self.item.stage(&stage.stage).map(|stage| stage.kind) else { return Vec::new() };
        let mut orders = Vec::new();
        // At the city several share a queue: claim before edit.
        if self.tier == Tier::City && claimed != Some(self.officer.name.as_str()) {
            if claimed.is_none() {
                orders.push(self.order(stage, "claim", "认领", Vec::new()));
            }
            orders.extend(self.visit(stage, kind));
            orders.extend(self.approvals(stage, claimed.is_some()));
            return orders;
        }
        orders.extend(self.work(stage, kind));
        // Whichever stage takes an application up may also send it back, or refuse to take it up.
        if self.dossier().accepted.is_none() && kind != StageKind::Deliver {
            orders.extend(self.answers(stage));
        }
        orders.extend(self.visit(stage, kind));
        orders.extend(self.make_ups(stage));
        if self.tier == Tier::City {
            orders.push(Order { first: false, ..self.order(stage, "release", "退还认领", Vec::new()) });
        }
        orders
    }

    fn opinion(&self, label: &'static str, agree: bool) -> Vec<Ask> {
        let mut asks = Vec::new();
        if agree {
            asks.push(ask("agrees", "意见", Shape::Bool).of(words(AGREES)).with("true"));
        }
        asks.push(ask("opinion", label, Shape::Text).optional());
        asks
    }

    /// To complete such a stage is to agree; whoever does not has another order for it.
    fn without_doubt(&self, label: &'static str) -> Vec<Ask> {
        let mut asks = self.opinion(label, false);
        asks.push(ask("agrees", "", Shape::Bool).with("true"));
        asks
    }

    fn work(&self, stage: &ReadyStage, kind: StageKind) -> Vec<Order> {
        let later = |order: Order| Order { first: false, ..order };
        match kind {
            StageKind::CompletenessCheck | StageKind::Accept | StageKind::Intake | StageKind::Appointment => {
                vec![self.order(stage, "complete", "受理(材料齐全)", self.without_doubt("说明"))]
            }
            StageKind::HomeVisit | StageKind::Inspection | StageKind::PostInspection => {
                let mut asks = self.opinion("核查情况", true);
                asks.push(ask("officers", "核查人员(两名以上)", Shape::Lines).hint("一行写一个"));
                vec![self.order(stage, "complete", "办结本环节", asks)]
            }
            StageKind::Publicity => {
                let mut orders = Vec::new();
                match self.dossier().posted.get(&stage.stage) {
                    None => orders.push(self.order(
                        stage,
                        "post",
                        "登记公示",
                        vec![ask("place", "公示地点", Shape::Text)],
                    )),
                    Some(_) => orders.push(self.order(
                        stage,
                        "complete",
                        "公示期满,办结",
                        self.opinion("公示结果", true),
                    )),
                }
                orders
            }
            StageKind::Hearing => match &self.dossier().hearing {
                None => vec![self.order(
                    stage,
                    "notice-hearing",
                    "发听证通知",
                    vec![ask("on", "听证日期(至少提前七日)", Shape::Day), ask("place", "地点", Shape::Text)],
                )],
                Some(hearing) if hearing.record.is_none() => {
                    vec![self.order(
                        stage,
                        "hold-hearing",
                        "登记听证笔录",
                        vec![ask("record", "笔录", Shape::Text)],
                    )]
                }
                Some(_) => vec![self.order(stage, "complete", "办结本环节", self.opinion("意见说明", true))],
            },
            StageKind::Payment => self.payment(stage),
            StageKind::Decision => {
                vec![self.order(
                    stage,
                    "decide",
                    "作出决定",
                    vec![
                            ask("outcome", "决定", Shape::Text)
                                .of(words(&[("granted", "准予"), ("refused", "不予")])),
                            ask("text", "理由", Shape::Text).optional().hint("不予的必须写明理由"),
                            ask("article", "所依据的条款", Shape::Maybe)
                                .hint("不予的必须写明,如《行政许可法》第三十八条"),
                        ],
                )]
            }
            StageKind::Issue => vec![self.order(stage, "issue", "制发证照", self.opinion("说明", false))],
            StageKind::Deliver => self.delivery(stage),
            StageKind::JointInspection => {
                let held =
                    self.dossier().inspections.get(&stage.stage).is_some_and(|visit| visit.held.is_some());
                match held {
                    true => {
                        vec![later(self.order(stage, "complete", "汇总查验结论", self.opinion("结论", true)))]
                    }
                    false => Vec::new(),
                }
            }
            StageKind::Review
            | StageKind::ParallelReview
            | StageKind::Appraisal
            | StageKind::ExpertReview
            | StageKind::Special => {
                vec![self.order(stage, "complete", "办结本环节", self.opinion("意见说明", true))]
            }
        }
    }

    fn payment(&self, stage: &ReadyStage) -> Vec<Order> {
        let charged = |fee: &str| self.fees.charged.iter().any(|charge| charge.fee == fee);
        let open: Vec<_> = self.fees.due.iter().filter(|line| !charged(&line.fee)).collect();
        if open.is_empty() {
            return vec![self.order(stage, "complete", "费用已清,办结", self.without_doubt("说明"))];
        }
        let options = open.iter().map(|line| {
            let yuan = line.amount_fen as f64 / 100.0;
            (line.fee.clone(), format!("{} {yuan:.2} 元", line.fee))
        });
        let amount = open.first().map_or(0, |line| line.amount_fen) as f64 / 100.0;
        let mut waive: Vec<(String, String)> = vec![(String::new(), "不减免".to_owned())];
        waive.extend(open.iter().flat_map(|line| &line.waive).map(|one| (one.clone(), one.clone())));
        vec![self.order(
            stage,
            "charge",
            "登记收费",
            vec![
                ask("fee", "收费项目", Shape::Text).of_names(options.collect()).with(open[0].fee.clone()),
                ask("amount_fen", "金额(元)", Shape::Fen).with(format!("{amount:.2}")),
                ask("receipt", "票据号", Shape::Text).optional(),
                ask("waived", "减免", Shape::Maybe).of_names(waive),
            ],
        )]
    }

    fn delivery(&self, stage: &ReadyStage) -> Vec<Order> {
        let wish = Channel::wished(self.dossier().wish.as_ref(), self.dossier().intake);
        let channels: Vec<(String, String)> =
            Channel::ALL.iter().map(|one| (one.as_str().to_owned(), one.chinese().to_owned())).collect();
        let dispatched = self.dossier().dispatched.as_ref();
        let mut orders = vec![self.order(
            stage,
            DELIVER,
            "登记送达",
            vec![
                    ask("receiver", "领取人", Shape::Text).with(self.dossier().applicant.clone()),
                    ask("channel", "送达方式", Shape::Text).of(channels.clone()).with(wish.as_str()),
                    ask("proof_kind", "凭证种类", Shape::Text)
                        .of(words(&[
                            ("signature", "领取人签名"),
                            ("photo", "交付照片"),
                            ("code", "六位验证码"),
                            ("waybill", "运单签收"),
                        ]))
                        .with(if dispatched.is_some() { "waybill" } else { "signature" }),
                    // What it must be depends on its kind; the counter says it in its own words.
                    ask("proof", "凭证", Shape::Text)
                        .optional()
                        .with(dispatched.map_or(String::new(), |sent| sent.waybill.clone()))
                        .hint("签名写领取人姓名;验证码六位数字;邮寄写运单号"),
                ],
        )];
        let dispatch = vec![ask("carrier", "承运人", Shape::Text), ask("waybill", "运单号", Shape::Text)];
        orders.push(Order { first: false, ..self.order(stage, "dispatch", "登记寄出", dispatch) });
        let failed = vec![
            ask("channel", "送达方式", Shape::Text).of(channels).with(wish.as_str()),
            ask("reason", "原因", Shape::Text),
        ];
        orders
            .push(Order { first: false, ..self.order(stage, "fail-delivery", "登记送达未成", failed) });
        orders
    }
}
