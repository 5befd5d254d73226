//! The steering scores of the newest live requests, for whoever compares them with calibration's. Numbers only.

use std::path::Path;

use super::{LedgerError, schema};

/// The newest `limit` scores of live requests from `since_ms` on: those of the fitted head that records call `head`, else
/// the shipped ones of requests without a head. Never a mixture, which would look like drift: a gateway that was not
/// started anew goes on with the head before. Nothing where there is no file yet. Blocks.
///
/// # Errors
/// When the file cannot be read.
pub fn recent_scores(
    path: &Path,
    limit: u32,
    since_ms: i64,
    head: Option<&str>,
) -> Result<Vec<f32>, LedgerError> {
    let blame = |error: rusqlite::Error| LedgerError::file(path, format!("scores cannot be read: {error}"));
    let Some(connection) = schema::open_to_read(path)? else { return Ok(vec![]) };
    // By row, not by time: a clock that was ahead once would keep its rows in front.
    let newest = "SELECT coalesce(calibrated, local_ok) FROM outcomes
        WHERE origin = 'live' AND local_ok IS NOT NULL AND at_ms >= ?2 AND (calibrated IS NOT NULL) = (?3 IS NOT NULL)
        AND json_extract(facts, '$.head') IS ?3 ORDER BY rowid DESC LIMIT ?1";
    let mut statement = connection.prepare(newest).map_err(blame)?;
    let rows = statement.query_map((limit, since_ms, head), |row| row.get::<_, f64>(0)).map_err(blame)?;
    rows.map(|row| row.map(|score| score as f32)).collect::<rusqlite::Result<_>>().map_err(blame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_live_scores_come_first_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        assert_eq!(recent_scores(&path, 10, 0, None).unwrap(), Vec::<f32>::new());
        let connection = schema::open(&path).unwrap();
        let insert = "INSERT INTO outcomes (id, at_ms, origin, local_ok, calibrated, facts, prompt_tokens_estimate, prompt_tokens,
            cached_prompt_tokens, completion_tokens, reasoning_tokens, tokens_estimated, decided_us, total_us, status,
            error, attempts) VALUES (?1, ?1, ?2, ?3, ?4, ?5, 1, 1, 0, 1, 0, 0, 1, 1, 200, 'none', '[]')";
        for (at, origin, score, fitted, head) in [
            (1, "live", Some(0.25), None, None),
            (9, "live", Some(0.3), Some(0.125), Some("aa")),
            (2, "live", Some(0.1), Some(0.5), Some("aa")),
            (3, "eval", Some(0.75), None, None),
            (4, "live", None, None, None),
            (5, "live", Some(0.6), Some(0.875), Some("bb")),
        ] {
            let facts = head.map(|head: &str| format!("{{\"form\":1,\"head\":\"{head}\"}}"));
            connection.execute(insert, (at, origin, score, fitted, facts)).unwrap();
        }
        let (aa, bb) = (Some("aa"), Some("bb"));
        assert_eq!(recent_scores(&path, 10, 0, aa).unwrap(), [0.5, 0.125], "also where the clock was ahead");
        assert_eq!(recent_scores(&path, 1, 0, aa).unwrap(), [0.5]);
        assert_eq!(recent_scores(&path, 10, 5, aa).unwrap(), [0.125], "since then");
        assert_eq!(recent_scores(&path, 10, 0, bb).unwrap(), [0.875], "of another head");
        assert_eq!(recent_scores(&path, 10, 0, None).unwrap(), [0.25], "of another scale");
        let broken = folder.path().join("broken.sqlite");
        std::fs::write(&broken, "not a database").unwrap();
        assert!(recent_scores(&broken, 1, 0, None).is_err());
    }
}
