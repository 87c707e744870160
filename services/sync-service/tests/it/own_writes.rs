//! Reading a row of a copy as fresh as what its reader wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use madrigal_contracts::copies::fresh::{ReadFreshCopyRow, USERS_LOG};
use madrigal_contracts::copies::{
    AppliedThrough, ApplyRows, CopyKeeper, CopyRow, ReplaceRow, Replaced, RowsApplied, answering,
};
use madrigal_core::{CallContext, Fault, Host, LogEpoch, LogName, Position, PositionToken, RowVersion};
use madrigal_http::{Calls, Neighbour};
use serde_json::json;

use crate::kept::Kept;

/// A copy that is told one change more whenever it is asked how far it is; each writes user 7.
struct Following {
    copy: Kept,
    asked: AtomicU64,
    epoch: LogEpoch,
}

fn users_log() -> LogName {
    LogName::parse(USERS_LOG).unwrap()
}

#[async_trait]
impl CopyKeeper for Following {
    fn copy(&self) -> &'static str {
        self.copy.copy()
    }

    async fn apply(&self, call: ApplyRows) -> Result<RowsApplied, Fault> {
        self.copy.apply(call).await
    }

    async fn read(&self, key: &str) -> Result<Option<CopyRow>, Fault> {
        self.copy.read(key).await
    }

    async fn applied_through(&self) -> Result<Vec<AppliedThrough>, Fault> {
        let change = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let version = RowVersion::new(1, change).unwrap();
        let row = CopyRow { key: "7".to_owned(), version, row: Some(json!({ "id": 7 })) };
        let through = AppliedThrough { log: users_log(), epoch: self.epoch, position: Position(change) };
        let call = ApplyRows { copy: self.copy().to_owned(), rows: vec![row], through: Some(through) };
        self.copy.apply(call).await?;
        self.copy.applied_through().await
    }

    async fn keys(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
        self.copy.keys(after, limit).await
    }

    async fn page(&self, after: i64, limit: usize) -> Result<Vec<CopyRow>, Fault> {
        self.copy.page(after, limit).await
    }

    async fn replace(&self, rows: Vec<ReplaceRow>) -> Result<Vec<Replaced>, Fault> {
        self.copy.replace(rows).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_is_read_when_its_copy_has_what_the_reader_wrote_and_other_logs_are_not_waited_for() {
    let host = Host::seeded(1);
    let epoch = LogEpoch::new(&host);
    let read = async |log: LogName, position: u64| {
        let copy = Following { copy: Kept::new("users.key-value"), asked: AtomicU64::new(0), epoch };
        let service = Neighbour::round_trip(Arc::new(answering(Calls::new("user-service"), vec![Arc::new(copy)])));
        let seen = Some(PositionToken::of(log, epoch, Position(position)));
        let call = ReadFreshCopyRow { copy: "users.key-value".to_owned(), key: "7".to_owned(), seen };
        let fresh = service.call(&CallContext::new(&host), call).await.unwrap();
        let (_, at) = fresh.position.component(&users_log()).unwrap();
        assert_eq!(fresh.row.unwrap().version.count(), at.0, "everything up to its position is in the row");
        at.0
    };
    // Once more it is asked how far it is, for the answer.
    assert_eq!(read(users_log(), 9).await, 10);
    assert_eq!(read(LogName::parse("order").unwrap(), 9).await, 1);
    let far = read(users_log(), 1_000_000).await;
    assert!((10..1_000_000).contains(&far), "a copy that does not come so far is read as it is: {far}");
}
