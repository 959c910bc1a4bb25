# Runs every *.Tests.ps1 beside this script against the built module, and leaves the counts in -Report.
param(
    [string] $Path = $PSScriptRoot,
    [string] $Report
)
$ErrorActionPreference = 'Stop'
Import-Module Pester -MinimumVersion 5.5

$configuration = New-PesterConfiguration
$configuration.Run.Path = $Path
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'Detailed'
$run = Invoke-Pester -Configuration $configuration

if ($Report) {
    @{
        Passed  = $run.PassedCount
        Failed  = $run.FailedCount + $run.FailedBlocksCount + $run.FailedContainersCount
        Skipped = $run.SkippedCount + $run.InconclusiveCount + $run.NotRunCount
    } | ConvertTo-Json | Set-Content -LiteralPath $Report
}
exit $run.FailedCount
