//! How each sheet is made. A sheet that says nothing true yet is refused with what has to happen first.

use super::{Fact, NoSheet, Section, Sheet, SheetKind, Source};
use crate::calendar::DueDay;
use crate::clock::{TimerKind, unit_name};
use crate::dossier::{Outcome, Page, PageBody};
use crate::form::applicant;
use crate::network::Tier;
use crate::numbers::mask_number;
use crate::paper::{PaperContent, PaperKind, SealedPaper};
use crate::{Day, MaterialId, Timestamp, tolerance};

/// # Errors
/// [`NoSheet`] saying what has to happen before this sheet can be printed.
pub fn build(kind: SheetKind, source: &Source<'_>) -> Result<Sheet, NoSheet> {
    match kind {
        SheetKind::Receipt => receipt(source),
        SheetKind::Materials => materials(source),
        SheetKind::Mandate => mandate(source),
        SheetKind::SupplementNotice => supplement_notice(source),
        SheetKind::Acceptance => acceptance(source),
        SheetKind::NotAccepted => sealed(source, kind, PaperKind::NotAccepted),
        SheetKind::Commitment => commitment(source),
        SheetKind::Decision => sealed(source, kind, PaperKind::Decision),
        SheetKind::Service => service(source),
        SheetKind::Licence => licence(source),
        SheetKind::Alert => alert(source),
    }
}

fn fact(label: &'static str, value: impl Into<String>, source: impl Into<String>) -> Fact {
    Fact { label, value: value.into(), source: source.into() }
}

fn nothing<T>(reason: &str) -> Result<T, NoSheet> {
    Err(NoSheet(reason.to_owned()))
}

fn page_ref(page: &Page) -> String {
    format!("卷内第 {} 页", page.no)
}

impl Source<'_> {
    fn blank(&self, kind: SheetKind, office: &str, day: Timestamp) -> Sheet {
        Sheet {
            kind,
            title: kind.title().to_owned(),
            number: None,
            to: self.dossier.applicant.clone(),
            sections: Vec::new(),
            signatures: Vec::new(),
            office: office.to_owned(),
            day: day.day().to_string(),
            code: self.code.to_owned(),
            sealed: None,
        }
    }

    fn find(&self, wanted: impl Fn(&PageBody) -> bool) -> Option<&Page> {
        self.pages.iter().rev().find(|page| wanted(&page.body))
    }
    fn submission(&self) -> Option<&Page> {
        self.find(|body| body.submission().is_some())
    }

    fn seal_code(&self, paper: &SealedPaper) -> Result<String, NoSheet> {
        let unknown = || NoSheet(format!("加密套件 {} 本版本不能核验,请升级", paper.suite));
        (self.sealed_code)(paper).ok_or_else(unknown)
    }

    /// Whose case about what: the head of every sheet.
    fn head(&self) -> Vec<Fact> {
        let number = self.submission().and_then(|page| page.body.submission());
        let number = number.map(|submission| mask_number(applicant(&submission.form).1));
        let mut facts = vec![
            fact("办件编号", self.dossier.case.to_string(), "村级代办点编号,末位为校验位"),
            fact("事项", self.item.name.clone(), format!("事项目录第 {} 版", self.dossier.release)),
            fact("申请人", self.dossier.applicant.clone(), "申请表"),
        ];
        facts.extend(
            number.filter(|number| !number.is_empty()).map(|number| fact("证件号码", number, "申请表")),
        );
        facts.push(fact("主管部门", self.body_name, "事项目录"));
        facts
    }

    fn due(&self, kind: TimerKind) -> Option<(&crate::clock::Explained, DueDay)> {
        let timer = self.timers.iter().find(|timer| timer.timer == kind)?;
        Some((timer, timer.due?))
    }

    fn limit(&self, label: &'static str, kind: TimerKind) -> Option<Fact> {
        let (timer, due) = self.due(kind)?;
        let mark = if due.provisional { "(暂定:年度放假安排未公布)" } else { "" };
        let unit = unit_name(timer.budget.unit);
        let value = format!("{}{mark}", due.day);
        Some(fact(
            label,
            value,
            format!("自 {} 起 {} 个{unit},{}", timer.anchor, timer.budget.days, timer.basis),
        ))
    }

    fn material_name(&self, id: &MaterialId) -> String {
        self.item.material(id).map_or_else(|| id.to_string(), |material| material.name.clone())
    }
}

fn receipt(source: &Source<'_>) -> Result<Sheet, NoSheet> {
    let Some(page) = source.find(|body| matches!(body, PageBody::Captured(_))) else {
        return nothing("还没有收件");
    };
    let mut sheet = source.blank(SheetKind::Receipt, source.place_name, page.at);
    let mut facts = source.head();
    facts.push(fact("收件地点", source.place_name, page_ref(page)));
    facts.push(fact("收件时间", page.at.to_minute(), "代办点电脑的时钟,仅作记录,不作期限依据"));
    facts.push(fact("代办员", page.officer.clone(), page_ref(page)));
    facts.push(fact("材料", format!("{} 份", source.dossier.attachments.len()), "见材料清单"));
    sheet.sections = vec![
        Section::Facts(facts),
        Section::Text(
            "本回执仅证明材料已由代办员收下并存入本机,不是受理通知书。镇便民服务中心签收之日为法定收到之日,\
             五个工作日内未一次性告知需要补正的,自签收之日起即为受理(《行政许可法》第三十二条)。凭办件编号或二维码可查询进度。"
                .to_owned(),
        ),
    ];
    sheet.signatures = vec!["申请人", "代办员"];
    Ok(sheet)
}

/// 《民法典》第一百六十五条 says what it names: the agent, what for, how far, how long, and whose signature.
fn mandate(source: &Source<'_>) -> Result<Sheet, NoSheet> {
    let Some(page) = source.find(|body| matches!(body, PageBody::Captured(_))) else {
        return nothing("还没有收件");
    };
    if source.dossier.intake != Tier::Village {
        return nothing("申请人到窗口或在网上自己申请的,不需要委托代办");
    }
    let mut sheet = source.blank(SheetKind::Mandate, source.place_name, page.at);
    let mut facts = source.head();
    facts.push(fact("代办员", page.officer.clone(), page_ref(page)));
    facts.push(fact("代办点", source.place_name, page_ref(page)));
    let from = page.at.day();
    facts.push(fact("期限", format!("自 {from} 起,至本件送达、撤回或终止为止"), page_ref(page)));
    sheet.sections = vec![
        Section::Facts(facts),
        Section::Text(
            "委托人委托上述代办员,就本件代为填写申请表,提交、补正和补交材料,查询进度,领取并转交文书和证照\
             (《行政许可法》第二十九条)。代办不收费。代办员不得代委托人放弃申请、改变所申请的事项或者转托他人。"
                .to_owned(),
        ),
        Section::Text(
            "委托人对申请内容和所交材料的真实性负责;可以随时收回委托,自己到镇或市的窗口办理\
             (《民法典》第一百六十五条、第九百三十三条)。"
                .to_owned(),
        ),
    ];
    sheet.signatures = vec!["委托人", "代办员"];
    Ok(sheet)
}

fn materials(source: &Source<'_>) -> Result<Sheet, NoSheet> {
    let Some(page) = source.submission() else { return nothing("还没有提交材料") };
    let dossier = source.dossier;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for attachment in &dossier.attachments {
        let (kib, print) =
            (attachment.bytes.div_ceil(1024), attachment.hash.get(..12).unwrap_or(&attachment.hash));
        let name = source.material_name(&attachment.material);
        rows.push(vec![(rows.len() + 1).to_string(), name, format!("{kib} KB"), print.to_owned()]);
    }
    for id in &dossier.lacking {
        let name = source.material_name(id);
        rows.push(vec![(rows.len() + 1).to_string(), name, "容缺,待补交".to_owned(), "—".to_owned()]);
    }
    let mut sheet = source.blank(SheetKind::Materials, source.place_name, page.at);
    let head = vec!["序号", "材料名称", "大小", "内容指纹(前 12 位)"];
    sheet.sections = vec![Section::Facts(source.head()), Section::Table { head, rows }];
    sheet.signatures = vec!["申请人", "代办员"];
    Ok(sheet)
}

fn supplement_notice(source: &Source<'_>) -> Result<Sheet, NoSheet> {
    let Some(page) = source.find(|body| matches!(body, PageBody::Returned { .. })) else {
        return nothing("该件没有补正告知");
    };
    let PageBody::Returned { faults, again, .. } = &page.body else {
        return nothing("该件没有补正告知");
    };
    let rows = faults
        .iter()
        .enumerate()
        .map(|(index, fault)| vec![(index + 1).to_string(), fault.label.clone(), fault.reason.clone()]);
    let mut sheet = source.blank(SheetKind::SupplementNotice, source.body_name, page.at);
    let head = vec!["序号", "项目", "需要补正的内容"];
    let basis = match again {
        None => {
            "以上为需要补正的全部内容(《行政许可法》第三十二条第一款第(四)项)。补正后重新计算受理审查期限。"
                .to_owned()
        }
        Some(reason) => format!("此前已作一次性告知,本次仅针对新提交的材料,理由:{reason}。"),
    };
    let mut facts = source.head();
    facts.push(fact("告知日期", page.at.day().to_string(), page_ref(page)));
    facts.push(fact("经办人", page.officer.clone(), page_ref(page)));
    sheet.sections =
        vec![Section::Facts(facts), Section::Table { head, rows: rows.collect() }, Section::Text(basis)];
    sheet.signatures = vec!["申请人(收到)"];
    Ok(sheet)
}

fn acceptance(source: &Source<'_>) -> Result<Sheet, NoSheet> {
    let accepts =
        |body: &PageBody| matches!(body, PageBody::Accepted { .. } | PageBody::DeemedAccepted { .. });
    let (Some(page), Some(accepted)) = (source.find(accepts), &source.dossier.accepted) else {
        return nothing("该件尚未受理");
    };
    let lacking = match &page.body {
        PageBody::Accepted { lacking, .. } => lacking.as_slice(),
        _ => &[],
    };
    let mut sheet = source.blank(SheetKind::Acceptance, source.body_name, page.at);
    let mut facts = source.head();
    let how = match (accepted.deemed, lacking.is_empty()) {
        (true, _) => "视为受理:五个工作日内未作告知(《行政许可法》第三十二条)",
        (false, true) => "受理",
        (false, false) => "容缺受理",
    };
    facts.push(fact("受理方式", how, page_ref(page)));
    facts.push(fact("受理日期", accepted.on.to_string(), format!("{},当日不计入期限", page_ref(page))));
    facts.extend(source.limit("法定办结日期", TimerKind::Statutory));
    facts.extend(source.limit("承诺办结日期", TimerKind::Promised));
    sheet.sections.push(Section::Facts(facts));
    if !lacking.is_empty() {
        let names: Vec<String> = lacking.iter().map(|id| source.material_name(id)).collect();
        let until = source.limit("补交期限", TimerKind::MakeUp).map(|fact| fact.value).unwrap_or_default();
        sheet.sections.push(Section::Text(format!(
            "请于 {until} 前补交:{}。逾期未补交的,视为撤回申请;补齐前不颁发证照。",
            names.join("、")
        )));
    }
    sheet.signatures = vec!["申请人(收到)"];
    Ok(sheet)
}

fn commitment(source: &Source<'_>) -> Result<Sheet, NoSheet> {
    let page = source.submission();
    let promise =
        page.and_then(|page| page.body.submission()?.commitment.as_ref().map(|promise| (page, promise)));
    let Some((page, promise)) = promise else { return nothing("该件没有容缺承诺") };
    let mut sheet = source.blank(SheetKind::Commitment, source.place_name, page.at);
    let rows = promise
        .materials
        .iter()
        .enumerate()
        .map(|(index, id)| vec![(index + 1).to_string(), source.material_name(id)]);
    let days = tolerance::make_up_days(source.item, source.dossier.green.is_some()).unwrap_or_default();
    let mut facts = source.head();
    facts.extend(source.limit("补交期限", TimerKind::MakeUp));
    sheet.sections = vec![
        Section::Facts(facts),
        Section::Table { head: vec!["序号", "承诺补交的材料"], rows: rows.collect() },
        Section::Text(format!(
            "本人承诺自受理之日起 {days} 个工作日内补交上列材料,保证所述真实。逾期未补交的,视为撤回申请;\
             承诺不实的,依法承担责任,今后不再适用容缺受理。"
        )),
    ];
    sheet.signatures = vec!["承诺人"];
    sheet.to = promise.signed_by.clone();
    Ok(sheet)
}

/// A sheet made from a sealed paper: everything on it stands in what the seal covers.
fn sealed(source: &Source<'_>, kind: SheetKind, paper: PaperKind) -> Result<Sheet, NoSheet> {
    let Some(paper) = source.dossier.papers.iter().rev().find(|known| known.kind == paper) else {
        return nothing(match kind {
            SheetKind::Decision => "该件尚未作出决定",
            _ => "该件没有不予受理",
        });
    };
    let content = paper.read().map_err(NoSheet)?;
    let mut sheet = source.blank(kind, &content.body_name, Timestamp::from_ms(0));
    sheet.day = content.day.to_string();
    sheet.number = Some(paper.number.clone());
    sheet.to = content.applicant.clone();
    sheet.title = content.title.clone();
    sheet.code = source.seal_code(paper)?;
    sheet.sections = sealed_sections(&content, paper);
    sheet.sealed = Some(paper.clone());
    Ok(sheet)
}

/// Title, receiver and words of a sealed paper.
///
/// # Errors
/// [`NoSheet`] for one that cannot be read.
pub fn read_paper(paper: &SealedPaper) -> Result<(String, String, Vec<Section>), NoSheet> {
    let content = paper.read().map_err(NoSheet)?;
    let sections = sealed_sections(&content, paper);
    Ok((content.title, content.applicant, sections))
}

fn sealed_sections(content: &PaperContent, paper: &SealedPaper) -> Vec<Section> {
    let verdict = match content.outcome {
        Some(Outcome::Granted) => format!("经审查,准予{}。", content.item_name),
        Some(Outcome::Refused) => format!("经审查,不予{}。", content.item_name),
        None => format!("你提出的{}申请,不予受理。", content.item_name),
    };
    let seal = format!("{} 第 {} 号章,用印台账第 {} 号", paper.seal.owner, paper.seal.no, paper.ledger_no);
    let mut facts = vec![
        fact("办件编号", content.case.to_string(), "收件回执"),
        fact("事项", content.item_name.clone(), "事项目录"),
    ];
    facts.extend(content.article.clone().map(|article| fact("依据", article, "本决定")));
    facts.extend(content.licence.as_ref().map(|number| fact("证照编号", number.to_string(), "电子证照库")));
    facts.extend(content.delegation.clone().map(|number| fact("授权委托书", number, "授权登记")));
    facts.push(fact("用印", seal, "用印台账"));
    let mut sections =
        vec![Section::Text(verdict), Section::Text(content.text.clone()), Section::Facts(facts)];
    sections.extend(content.remedies.clone().map(Section::Text));
    sections
}

fn service(source: &Source<'_>) -> Result<Sheet, NoSheet> {
    let Some(page) = source.find(|body| matches!(body, PageBody::Delivered { .. })) else {
        return nothing("该件尚未送达");
    };
    let PageBody::Delivered { receiver, proof, .. } = &page.body else {
        return nothing("该件尚未送达");
    };
    let mut sheet = source.blank(SheetKind::Service, source.place_name, page.at);
    let mut facts = source.head();
    let papers: Vec<&str> = source.dossier.papers.iter().map(|paper| paper.number.as_str()).collect();
    facts.push(fact("送达文书", papers.join("、"), "盖章文书"));
    facts.extend(
        source.dossier.licence.as_ref().map(|one| fact("送达证照", one.number.to_string(), "电子证照库")),
    );
    facts.push(fact("受送达人", receiver.clone(), page_ref(page)));
    facts.push(fact("送达凭证", proof.clone(), page_ref(page)));
    facts.push(fact("送达时间", page.at.to_minute(), page_ref(page)));
    facts.push(fact("送达人", page.officer.clone(), page_ref(page)));
    facts.extend(source.limit("送达期限", TimerKind::Delivery));
    sheet.sections = vec![Section::Facts(facts)];
    sheet.signatures = vec!["受送达人", "送达人"];
    Ok(sheet)
}

fn licence(source: &Source<'_>) -> Result<Sheet, NoSheet> {
    let Some(licence) = &source.dossier.licence else { return nothing("该件没有制发证照") };
    let mut sheet = source.blank(SheetKind::Licence, &licence.issuer, Timestamp::from_ms(0));
    sheet.title = licence.name.clone();
    sheet.number = Some(licence.number.to_string());
    sheet.day = licence.issued_on.to_string();
    sheet.to = licence.holder.clone();
    let decision = source.dossier.papers.iter().find(|paper| paper.kind == PaperKind::Decision);
    let mut facts = vec![
        fact("持证主体", licence.holder.clone(), "申请表"),
        fact("证照标识", licence.number.to_string(), "GB/T 36904,末位为校验位"),
        fact("颁证机关", licence.issuer.clone(), "事项目录"),
        fact("颁证日期", licence.issued_on.to_string(), "本次办件"),
    ];
    facts.extend(decision.map(|paper| fact("决定书", paper.number.clone(), "用印台账")));
    sheet.sections = vec![Section::Facts(facts)];
    if let Some(paper) = decision {
        sheet.code = source.seal_code(paper)?;
    }
    Ok(sheet)
}

fn alert(source: &Source<'_>) -> Result<Sheet, NoSheet> {
    let Some(alert) = source.alert else { return nothing("没有这条督办") };
    let Some(finding) = &alert.raised else { return nothing("督办的内容还没有送达本节点") };
    let mut sheet = source.blank(SheetKind::Alert, "电子监察", Timestamp::from_ms(0));
    sheet.title = format!("督办单({})", finding.rung.chinese());
    sheet.day = finding.day.to_string();
    sheet.to = finding.responsible.node.to_string();
    let mut facts = source.head();
    facts.push(fact("规则", finding.rule.clone(), "监察规则"));
    facts.push(fact("情形", finding.text.clone(), format!("卷内第 {} 页", finding.page)));
    facts.extend(finding.due.map(|due: Day| fact("应办结日期", due.to_string(), "期限计算")));
    facts.extend(finding.responsible.officer.clone().map(|who| fact("责任人", who, "环节认领")));
    sheet.sections = vec![Section::Facts(facts)];
    sheet.signatures = vec!["责任单位", "监察人"];
    Ok(sheet)
}
