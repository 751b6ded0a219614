//! What an incident means and what to do about it, for whoever looks after a node. The reason itself is written for those who search
//! a log for it, and stands beside.

/// What stands in a reason, and what it means. The first that fits counts.
const MEANINGS: [(&str, &str); 21] = [
    (
        "fork",
        "同一个序号有两条不同的签名记录:这台电脑多半被复制过,或从旧备份恢复后又继续用。查明哪一台是真的,另一台停用;不能确定就挂失。",
    ),
    (
        "decided on a history that did not happen",
        "恢复备份以后发现是在另一份历史上办的,没有采信。请打开这一件核对,仍然正确的重新办理。",
    ),
    (
        "late:",
        "挂失以后才送到的内容,没有采信,原文留存。请核对是不是申请人的材料;是的话,由现在的电脑重新收件。",
    ),
    (
        "reported lost",
        "挂失以后才送到的内容,没有采信,原文留存。请核对是不是申请人的材料;是的话,由现在的电脑重新收件。",
    ),
    ("update this node", "这台的程序太旧,读不懂新版本的内容;请升级程序,升级后会自动补上。"),
    (
        "cannot be read",
        "内容读不懂:可能在传送前已损坏,也可能由更新的版本写成。请核对两边的程序版本,再联系对方重新办理这一步。",
    ),
    (
        "an older copy of its author",
        "有一份旧的拷贝在用同一个身份联系:多半是旧备份或复制的磁盘被开了机。找到那台电脑停用,再处理完毕。",
    ),
    ("only the hub", "下级发来了只有市里才能发的内容,没有采信。请查看那台电脑是否被人改动过。"),
    ("a village does not answer its own ratings", "被评价的村不能处理对自己的评价,没有采信。"),
    ("differ from", "内容与它的签名对不上,没有采信。请查看那台电脑是否被人改动过。"),
    ("does not speak for this area", "不归它管的地方的办件,没有采信。请核对这件应由哪里办。"),
    ("its number is taken", "文号已经用过,后来的没有采信;请另编文号重新登记。"),
    (
        "another key for a machine that is known",
        "同一个点换了电脑却没有重新登记;请按“更换电脑”的办法重新接入。",
    ),
    ("that we do not have", "上级签收过本机没有的记录:本机多半从旧备份恢复过。保持联网,会与上级核对补齐。"),
    (
        "another entry than the one",
        "上级签收的与本机写的不是同一条:两台电脑用过同一个身份。查明哪一台是真的,另一台停用。",
    ),
    ("do not hash to their name", "扫描件的内容与登记的指纹不符,没有收下;请原来的点重新扫描上传。"),
    ("more than the page declared", "扫描件比登记的大,没有收下;请原来的点重新扫描上传。"),
    (
        "evidence about this neighbour is full",
        "这个点的异常留存已满,更多的留在它自己那里;请先查明原因再处理。",
    ),
    ("refused by", "对方没有收下,原因在后面;按“全部重试”会再送一次。"),
    (
        "missing:",
        "群众手里有本机签名的收件凭证,这里却没有这一件。请马上联系那个村和它的镇,找到以后重新上传。",
    ),
    ("gap", "中间缺了一段,后面的先不收;对方会从缺的地方再送。"),
];

/// Empty for a reason that nobody has explained.
pub(super) fn meaning(reason: &str) -> &'static str {
    MEANINGS.iter().find(|(part, _)| reason.contains(part)).map_or("", |(_, means)| means)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    #[test]
    fn what_an_incident_means_is_said_in_both_languages() {
        for (part, means) in MEANINGS {
            assert_ne!(Lang::English.t(means), means, "{part}");
        }
        assert!(meaning("fork: another entry with hash ab is signed for this place").contains("两条不同"));
        assert!(meaning("refused by t-1: gap: have 3").contains("没有收下"));
        assert_eq!(meaning("磁盘将满"), "");
    }
}
