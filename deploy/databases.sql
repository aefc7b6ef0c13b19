-- The two databases and who may use them. Once, as PostgreSQL's superuser: sudo -u postgres psql -f databases.sql
\set ON_ERROR_STOP on
CREATE ROLE mlflow LOGIN;                      -- the system's user of that name; has no password
CREATE DATABASE mlflow OWNER mlflow;
REVOKE ALL ON DATABASE mlflow FROM PUBLIC;

CREATE ROLE optuna;                            -- all who search are its members
GRANT optuna TO mlflow;                        -- for the backups
CREATE DATABASE optuna OWNER optuna;
REVOKE ALL ON DATABASE optuna FROM PUBLIC;
ALTER DATABASE optuna SET role = 'optuna';     -- what one of them makes, all can use
